"""Commands that write purchases and a catalogue into the topic."""
