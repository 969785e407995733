"""What matches what: words, patterns, header tables, hash rings. No queue, no message, no time."""

from leveret.routing.bindings import Binding, BindingTable, DestinationType
from leveret.routing.erlang import erlang_term, erlang_type
from leveret.routing.headers import HeadersMatch, XMatch
from leveret.routing.headers_example import HeadersExample, headers_example
from leveret.routing.key_set import KeySet, TakenKeys
from leveret.routing.keys import MAX_KEY_BYTES, PatternError, check_key, split_key
from leveret.routing.pattern import TopicPattern
from leveret.routing.ring import POINTS_PER_WEIGHT, HashRing
from leveret.routing.trie import TopicTrie

__all__ = [
    "MAX_KEY_BYTES",
    "POINTS_PER_WEIGHT",
    "Binding",
    "BindingTable",
    "DestinationType",
    "HashRing",
    "HeadersExample",
    "HeadersMatch",
    "KeySet",
    "PatternError",
    "TakenKeys",
    "TopicPattern",
    "TopicTrie",
    "XMatch",
    "check_key",
    "erlang_term",
    "erlang_type",
    "headers_example",
    "split_key",
]
