"""The report's first screen: what each paper promises, what came of it, and the numbers behind it; knows no paper."""
