"""Record batches with flipped bits: through the decoder alone, and in the logs of Apache Kafka."""
