"""Tasks: one file per RSMEB-style meta-task; each turns a Scene into Drafts."""
