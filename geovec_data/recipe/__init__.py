"""What recipes say: their files, how a build composes them, and how they are described."""
