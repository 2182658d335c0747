"""Why something was refused, by name. The names are part of the interface and are never renamed."""

from __future__ import annotations

from enum import StrEnum

from slipway.base.errors import Exit, SlipwayError


class Reason(StrEnum):
    """Stable names for every refusal that the evidence room makes."""

    # strict JSON (canon)
    JSON_SYNTAX = "json.syntax"
    JSON_ENCODING = "json.encoding"
    JSON_DUPLICATE_KEY = "json.duplicate_key"
    JSON_FLOAT = "json.float"
    JSON_INTEGER_RANGE = "json.integer_range"
    JSON_SURROGATE = "json.lone_surrogate"
    JSON_TYPE = "json.type"
    JSON_DEPTH = "json.depth"
    JSON_NOT_CANONICAL = "json.not_canonical"
    # encodings
    BASE64 = "base64.not_canonical"
    # proofs (merkle)
    PROOF_INDEX = "proof.index_out_of_range"
    PROOF_LENGTH = "proof.length"
    PROOF_HASH_SIZE = "proof.hash_size"
    PROOF_ROOT = "proof.root_mismatch"
    PROOF_EMPTY_TREE = "proof.empty_tree"
    PROOF_SIZES = "proof.sizes"
    PROOF_SYNTAX = "proof.syntax"
    # notes and checkpoints
    NOTE_SYNTAX = "note.syntax"
    NOTE_CONTROL = "note.control_character"
    NOTE_BLANK_LINE = "note.blank_line"
    NOTE_SIGNATURE_LINE = "note.signature_line"
    NOTE_TOO_MANY = "note.too_many_signatures"
    NOTE_UNSIGNED = "note.no_known_signature"
    NOTE_SIGNATURE = "note.signature"
    CHECKPOINT_SYNTAX = "checkpoint.syntax"
    CHECKPOINT_SIZE = "checkpoint.size"
    CHECKPOINT_ORIGIN = "checkpoint.other_log"
    # keys
    KEY_SYNTAX = "key.syntax"
    KEY_ID = "key.id_mismatch"
    KEY_TYPE = "key.type"
    KEY_WEAK = "key.weak"
    KEY_FILE = "key.file"
    # records
    RECORD_SCHEMA = "record.schema"
    RECORD_SIZE = "record.too_large"
    RECORD_LOG = "record.other_log"
    CHAIN_GAP = "chain.gap"
    CHAIN_PREV = "chain.prev"
    CHAIN_REVIEW = "chain.other_review"
    CHAIN_ORDER = "chain.order"
    CHAIN_COUNT = "chain.count"
    PARTY_UNSIGNED = "party.unsigned"
    PARTY_UNANNOUNCED = "party.key_not_announced"
    PARTY_SIGNATURE = "party.signature"
    # statements
    DSSE_SYNTAX = "dsse.syntax"
    DSSE_TYPE = "dsse.payload_type"
    DSSE_SIGNATURE = "dsse.signature"
    DSSE_UNSIGNED = "dsse.no_known_signature"
    STATEMENT_SCHEMA = "statement.schema"
    STATEMENT_SUBJECT = "statement.subject_mismatch"
    CERTIFICATE_SUBJECT = "certificate.other_subject"
    DISCLOSURE_SYNTAX = "disclosure.syntax"
    DISCLOSURE_RECORD = "disclosure.other_record"
    # containers
    ZIP_SYNTAX = "zip.syntax"
    ZIP_DUPLICATE = "zip.duplicate_name"
    ZIP_LINK = "zip.link"
    ZIP_PATH = "zip.path"
    ZIP_LIMIT = "zip.limit"
    ZIP_COMPRESSED = "zip.compressed"
    MANIFEST = "bundle.manifest"
    BUNDLE_MEMBER = "bundle.member"
    RECEIPT_SYNTAX = "receipt.syntax"
    POLICY_SYNTAX = "policy.syntax"
    # the log itself
    LOG_ROLLBACK = "log.rollback"
    LOG_FORK = "log.fork"
    LOG_DAMAGED = "log.damaged"
    LOG_OTHER_WRITER = "log.other_writer"
    LOG_ORIGIN = "log.origin"
    JOURNAL_DAMAGED = "journal.damaged"
    SQLITE_VERSION = "sqlite.version"


class EvidenceError(SlipwayError):
    """Something the evidence room refuses; ``reason`` says which rule, the message says where and why."""

    code = "evidence.refused"
    status = 422
    exit_code = Exit.INVALID

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, code=str(reason))
        self.reason = reason
