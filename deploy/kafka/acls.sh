#!/bin/sh
# What each login of a Cartpulse service may do on Apache Kafka, and nothing more. Run it as an administrator;
# running it again changes nothing. Kafka's own kafka-acls.sh has to be on the path.
#
#   BOOTSTRAP=kafka-1:9093 COMMAND_CONFIG=administrator.properties deploy/kafka/acls.sh
#
# CARTPULSE_APPLICATION and CARTPULSE_TOPIC_PREFIX are those of the service. The logins have other names with
# WORKER, PRODUCER, LOADER, CONSUMER, OPERATOR and SUPPORT.
set -eu

: "${BOOTSTRAP:?the brokers, host:port}"
: "${COMMAND_CONFIG:?the properties file with the administrator's login, for --command-config}"
APPLICATION=${CARTPULSE_APPLICATION:-cartpulse}
PREFIX=${CARTPULSE_TOPIC_PREFIX:-}
WORKER=${WORKER:-cartpulse-worker}
PRODUCER=${PRODUCER:-cartpulse-producer}
LOADER=${LOADER:-cartpulse-loader}
CONSUMER=${CONSUMER:-cartpulse-consumer}
OPERATOR=${OPERATOR:-cartpulse-operator}
SUPPORT=${SUPPORT:-cartpulse-support}

PURCHASES=${PREFIX}purchases
ALERTS=${PREFIX}replenishment-alerts
RECOMMENDATIONS=${PREFIX}recommendations
SEGMENTS=${PREFIX}segment-changes
CLUSTERS=${PREFIX}cluster-changes
EXPOSURES=${PREFIX}exposures
DEAD_LETTERS=${PREFIX}dead-letters
CHANGELOG=${PREFIX}${APPLICATION}-ledger-changelog
COMMANDS=${PREFIX}${APPLICATION}-commands

allow() {
    login=$1
    shift
    kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" \
        --add --allow-principal "User:$login" "$@"
}

# A worker reads purchases and writes into them, too: ticks of the wall clock, and misrouted records, which it sends on to
# their own partition. It reads and writes its state and operators' commands, and writes, never reads, what comes out.
allow "$WORKER" --operation Read --operation Write --operation DescribeConfigs \
    --topic "$PURCHASES" --topic "$CHANGELOG" --topic "$COMMANDS"
allow "$WORKER" --operation Write --operation DescribeConfigs \
    --topic "$ALERTS" --topic "$RECOMMENDATIONS" --topic "$SEGMENTS" --topic "$CLUSTERS" --topic "$EXPOSURES" --topic "$DEAD_LETTERS"
# The group that shares the partitions out, and one for each worker, for commands.
allow "$WORKER" --operation Read --group "$APPLICATION-ledger"
allow "$WORKER" --operation Read --group "$APPLICATION-worker-" --resource-pattern-type prefixed
# Exactly once: a transactional id for each partition, such as cartpulse-ledger-0.
allow "$WORKER" --operation Write --transactional-id "$APPLICATION-ledger-" --resource-pattern-type prefixed

# A producer writes purchases; it reads nothing, not even them.
allow "$PRODUCER" --operation Write --topic "$PURCHASES"

# A loader sends files (`cartpulse produce`): interrupted, it reads what arrived of them. Afterwards it looks how far
# workers have come and what of the file they refused.
allow "$LOADER" --operation Write --operation Read --topic "$PURCHASES"
allow "$LOADER" --operation Read --topic "$DEAD_LETTERS"
allow "$LOADER" --operation Describe --group "$APPLICATION-ledger"

# A consumer reads what comes out, in groups whose names begin so.
allow "$CONSUMER" --operation Read \
    --topic "$ALERTS" --topic "$RECOMMENDATIONS" --topic "$SEGMENTS" --topic "$CLUSTERS" --topic "$EXPOSURES"
allow "$CONSUMER" --operation Read --group "$APPLICATION-outputs-" --resource-pattern-type prefixed

# Support answers questions about single customers (`cartpulse customer`, `export`, `watch`): it reads purchases,
# customers' state and what comes out, in no group, and writes nothing.
allow "$SUPPORT" --operation Read --topic "$PURCHASES" --topic "$CHANGELOG" \
    --topic "$ALERTS" --topic "$RECOMMENDATIONS" --topic "$SEGMENTS" --topic "$CLUSTERS" --topic "$EXPOSURES" --topic "$DEAD_LETTERS"

# An operator makes and configures the topics (`cartpulse topics`), goes live, erases customers, sends the catalogue,
# talks to workers, and looks at dead letters and sends them back (`cartpulse dead-letters`). It cannot read purchases,
# customers' state or outputs.
allow "$OPERATOR" --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs \
    --topic "$PURCHASES" --topic "$ALERTS" --topic "$RECOMMENDATIONS" --topic "$SEGMENTS" --topic "$CLUSTERS" --topic "$EXPOSURES" \
    --topic "$DEAD_LETTERS" --topic "$CHANGELOG" --topic "$COMMANDS"
allow "$OPERATOR" --operation Write --topic "$PURCHASES" --topic "$COMMANDS" --topic "$DEAD_LETTERS"
allow "$OPERATOR" --operation Read --topic "$DEAD_LETTERS" --topic "$COMMANDS"
# `cartpulse reset`: forgets the state, when no worker runs.
allow "$OPERATOR" --operation Delete --topic "$CHANGELOG"
allow "$OPERATOR" --operation Delete --operation Describe --group "$APPLICATION-ledger"
