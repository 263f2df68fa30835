"""HTTP to strangers: address policy, budgets, the publisher client. The only way out of the node."""
