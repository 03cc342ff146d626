"""Runs of language models killed at random instants and resumed equal the uninterrupted ones: rollouts that wait,
window, replay bank and the adversary's prefix included (killing.py)."""
from killing import check_world
from tiny_language_world import AdversarialWorld, LanguageWorld

check_world(LanguageWorld, kills=8)
check_world(AdversarialWorld, kills=4)
