"""How the facts about engines are read from their releases."""
