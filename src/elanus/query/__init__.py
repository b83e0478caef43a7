"""The read path: a request is planned once, segments answer in arrays, winners are fetched last."""
