"""Who may do what: roles at sites, tokens, sign-in, and the log of what was done."""
