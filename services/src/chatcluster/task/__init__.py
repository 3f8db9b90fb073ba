"""task: owns shards of the dispatch streams and fans them out to gateways."""
