"""What runs of a results store say: alone, compared, as a verdict, a report or public results."""
