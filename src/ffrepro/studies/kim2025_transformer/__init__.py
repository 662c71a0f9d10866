"""What the transformer paper alone needs: its settings, claims, audit, and sections of the report."""
