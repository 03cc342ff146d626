"""A run of vision killed at random instants, twenty times, and resumed equals the uninterrupted one (killing.py)."""
from killing import check_world
from tiny_world import World

check_world(World, kills=20)
