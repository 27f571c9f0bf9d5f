"""The rules of the policy, by what they look at; each is one small function over a block of candidates."""
