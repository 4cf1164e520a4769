"""What a worker process says of itself to who runs it: started, ready, live, and why not."""
