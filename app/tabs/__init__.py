"""The tabs of the page: what stands where, and what happens on a click."""
