"""The log in Apache Kafka. The only folder that knows aiokafka."""

from tactful.log.kafka.broker import Broker, broker
from tactful.log.kafka.hints import KafkaHints
from tactful.log.kafka.kafkalog import KafkaLog
from tactful.log.kafka.topics import Shape, TopicState, check_topics, set_up, topic_states

__all__ = [
    "Broker",
    "KafkaHints",
    "KafkaLog",
    "Shape",
    "TopicState",
    "broker",
    "check_topics",
    "set_up",
    "topic_states",
]
