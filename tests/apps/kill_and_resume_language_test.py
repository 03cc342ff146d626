"""Runs of language models killed at random instants and resumed equal the uninterrupted ones: rollouts that wait,
window, replay bank, second passes, a teacher that moves and the adversary's prefix included (killing.py)."""
from killing import check_world
from tiny_language_world import AdversarialWorld, LanguageWorld, OwnTeacherWorld

for world, kills in ((LanguageWorld, 8), (OwnTeacherWorld, 6), (AdversarialWorld, 6)):
    check_world(world, kills)
