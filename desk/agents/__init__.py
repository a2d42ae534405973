"""Who works here: the account, its agents, their passwords and groups."""
