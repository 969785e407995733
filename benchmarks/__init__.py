"""Speed and memory of leveret in process, each figure beside a peer measured in the same run."""
