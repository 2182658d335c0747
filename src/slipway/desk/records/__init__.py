"""Evidence records of the desk: written with every act, sealed by the sequencer."""
