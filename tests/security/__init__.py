"""What an attacker tries, against the whole client; `SECURITY.md` says where the rest is proved."""
