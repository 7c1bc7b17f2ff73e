"""Commands that put purchases and a catalogue into the topic."""
