"""Mining on a Ray cluster: encoding by a pool of actors, one for each GPU or machine; search by shards of the pool."""
