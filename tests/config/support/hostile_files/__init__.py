"""Files that no one should write, and a target that reads them in every way leveret can."""
