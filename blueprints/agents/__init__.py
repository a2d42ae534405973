"""Views of agents: who they are, how they sign in, the first set-up."""
