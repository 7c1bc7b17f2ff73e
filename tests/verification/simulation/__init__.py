"""Delivery and recovery under a model of Kafka, in virtual time: one seed is one exact schedule of faults."""
