"""Two gateways beside each other on the same simulated meters and the same broker; see bench_edge.py."""
