"""Words for codes: what a reader sees in place of what is stored."""
