// The interface between native code and TypeScript: the words of a completion record and of the parameter
// block, and the codes in them. scripts/generate-layout.mjs generates lib/native/layout.ts from this file, so
// every line that starts with `inline constexpr` must be one `name = number` pair.
#pragma once

#include <cstdint>

namespace evenkeel::layout {

// A slot identifies an operation in flight. Its opaque on the wire is `generation << kSlotBits | slot`.
inline constexpr uint32_t kSlotBits = 20;
inline constexpr uint32_t kMaxSlots = 1048064;  // leaves the last 512 indices for the pipeline's own requests
inline constexpr uint32_t kControlSlot =
    1048575;  // records of this slot are about the connection, not an operation

// Parameter block (Uint32Array): the arguments of an operation other than key and value, and its result.
// Numbers passed here cost a tenth of an argument. Timeout and flags always apply to the next operation, the
// others only with kCodeDetailed.
inline constexpr uint32_t kParamTimeout = 0;  // ms
inline constexpr uint32_t kParamFlags = 1;
inline constexpr uint32_t kParamExpiry = 2;
inline constexpr uint32_t kParamCasHigh = 3;
inline constexpr uint32_t kParamCasLow = 4;
inline constexpr uint32_t kParamDeltaHigh = 5;
inline constexpr uint32_t kParamDeltaLow = 6;
inline constexpr uint32_t kParamInitialHigh = 7;
inline constexpr uint32_t kParamInitialLow = 8;
inline constexpr uint32_t kParamDeadlineHigh = 9;  // from a record: used instead of the timeout, when not 0
inline constexpr uint32_t kParamDeadlineLow = 10;
inline constexpr uint32_t kParamRecache = 11;
inline constexpr uint32_t kParamStarted = 12;     // from a record: since when it is under way, when not 0
inline constexpr uint32_t kParamNewCasHigh = 13;  // with kCodeSetsCas
inline constexpr uint32_t kParamNewCasLow = 14;
inline constexpr uint32_t kParamCode = 15;
inline constexpr uint32_t kParamSlot = 16;  // written by submit(): a slot, or a kRefused… code
// With kCodeExtended, for Couchbase.
inline constexpr uint32_t kParamCollection = 17;
inline constexpr uint32_t kParamPartition = 18;   // for an operation on a server
inline constexpr uint32_t kParamDurability = 19;  // level, and its timeout in ms from bit 8 on
inline constexpr uint32_t kParamModes =
    20;  // datatype, and from bit 8 on kLookupIn's and kMutateIn's flags of the document
inline constexpr uint32_t kParamReplica = 21;  // kGetReplica: which one, from 1 on
inline constexpr uint32_t kParamUnits = 22;    // with kCodeStringValue: of UTF-16 that the value has
inline constexpr uint32_t kParamWords = 23;

// Completion record (kRecordWords words of a Uint32Array).
inline constexpr uint32_t kRecordSlot = 0;
inline constexpr uint32_t kRecordOutcome = 1;  // outcome | kOutcome… bits | status << kOutcomeStatusShift
// Flags: those of a record's value. For Couchbase's other answers, the number of bytes before the value
// itself; for kOutcomeRefused, the value's length; for kOutcomeDisconnected, 1 when the peer may speak
// another protocol, and from bit 8 on the index of the step of the handshake that was not answered as it
// should be; for kCauseOtherProtocol, 1 when the operation waits for a kFlushAll; for kOutcomeNotice, as for
// other answers, and from bit 8 on the number of bytes of a key that follow those.
inline constexpr uint32_t kRecordFlags = 2;
inline constexpr uint32_t kRecordValueOffset =
    3;  // into the slab; with kOutcomeLargeBit an index for takeLarge()
inline constexpr uint32_t kRecordValueLength = 4;
inline constexpr uint32_t kRecordCasHigh = 5;
inline constexpr uint32_t kRecordCasLow = 6;
inline constexpr uint32_t kRecordConnection =
    7;  // the connection that it was sent on, or that the record is about
inline constexpr uint32_t kRecordDetail =
    8;  // a cause (below); this and all that follow not for kOutcomeAnswered, unless slow
inline constexpr uint32_t kRecordLate = 9;           // for kOutcomeLost: 1 when the deadline has passed
inline constexpr uint32_t kRecordDeadlineHigh = 10;  // for kOutcomeLost, for a retry
inline constexpr uint32_t kRecordDeadlineLow = 11;
inline constexpr uint32_t kRecordTtl = 8;    // with kOutcomeDescribedBit, like the two below; seconds
inline constexpr uint32_t kRecordIdle = 10;  // seconds
inline constexpr uint32_t kRecordMarks = 11;
inline constexpr uint32_t kRecordTook = 12;     // µs from when the loop received it
inline constexpr uint32_t kRecordQueued = 13;   // µs of those, until it was completely written
inline constexpr uint32_t kRecordStarted = 14;  // for kOutcomeLost, for a retry
inline constexpr uint32_t kRecordServed =
    15;  // of those, at the server, 0.5 µs to the power of 1.74; 0: unknown
inline constexpr uint32_t kRecordWords = 16;

// Marks of a record.
inline constexpr uint32_t kMarkClaimWon = 1;
inline constexpr uint32_t kMarkClaimTaken = 2;
inline constexpr uint32_t kMarkStale = 4;
inline constexpr uint32_t kMarkRead = 8;
inline constexpr uint32_t kNeverExpires = 4294967295;  // kRecordTtl

// Outcomes.
inline constexpr uint32_t kOutcomeMask = 255;
inline constexpr uint32_t kOutcomeAnswered = 0;  // the server answered; status is its 16-bit code
inline constexpr uint32_t kOutcomeTimedOut = 1;
inline constexpr uint32_t kOutcomeLost = 2;     // written, then the connection failed
inline constexpr uint32_t kOutcomeOffline = 3;  // not connected, and the options do not let operations wait
inline constexpr uint32_t kOutcomeClosed = 4;
inline constexpr uint32_t kOutcomeReleased = 5;   // nothing to settle: an abandoned slot is free again
inline constexpr uint32_t kOutcomeConnected = 6;  // control: the value is the server's version
inline constexpr uint32_t kOutcomeDisconnected =
    7;  // control: detail is the cause, the value an unknown peer's bytes
inline constexpr uint32_t kOutcomeEnded = 8;  // control: the pipeline is gone, nothing follows
inline constexpr uint32_t kOutcomeRefused =
    9;  // answered with a value that is not accepted; detail has the reason
inline constexpr uint32_t kOutcomeRetired = 10;  // control: the server of this connection is gone
inline constexpr uint32_t kOutcomeItem = 11;  // a part of the answer, more follows; flags: length of its name
inline constexpr uint32_t kOutcomeNotice = 12;  // control: a message without a request; detail is the opcode
// Control: the answer to a step of a handshake that tells; detail is the step's index, flags are the attempt.
inline constexpr uint32_t kOutcomeHandshake = 13;
// Control: a server has sent back an operation because it does not have the partition; detail is the status,
// the value the configuration in the answer, if any.
inline constexpr uint32_t kOutcomeSentBack = 14;
inline constexpr uint32_t kOutcomeReleaseBit = 256;  // the slot is free again after this record
inline constexpr uint32_t kOutcomeWrittenBit = 512;  // the request has left this process, at least in part
inline constexpr uint32_t kOutcomeLargeBit = 1024;   // the value is in a separate buffer
inline constexpr uint32_t kOutcomeAsciiBit = 2048;   // no byte of the value is above 0x7f
inline constexpr uint32_t kOutcomeBlamedBit =
    4096;  // for kOutcomeLost: it broke on the answer to this operation
inline constexpr uint32_t kOutcomeDescribedBit = 8192;  // for kOutcomeAnswered: the record has a description
inline constexpr uint32_t kOutcomeSlowBit = 16384;      // it took at least as long as slow operations do
inline constexpr uint32_t kOutcomeCompressedBit = 32768;  // the value is a block of Snappy
inline constexpr uint32_t kOutcomeStatusShift = 16;

// Causes: an errno below kCauseProtocol, or one of these.
inline constexpr uint32_t kCauseProtocol = 65536;
inline constexpr uint32_t kCauseBadMagic = 65537;
inline constexpr uint32_t kCauseBadLengths = 65538;
inline constexpr uint32_t kCauseUnknownOpaque = 65539;
inline constexpr uint32_t kCauseWrongOpcode = 65540;
inline constexpr uint32_t kCauseTooLarge = 65541;
inline constexpr uint32_t kCauseSilence = 65542;
inline constexpr uint32_t kCauseEndOfStream = 65543;
inline constexpr uint32_t kCauseHandshake = 65544;
inline constexpr uint32_t kCauseUntrusted = 65545;        // it may have taken a value for commands
inline constexpr uint32_t kCauseTls = 65546;              // the record's value has the details
inline constexpr uint32_t kCauseCredentials = 65547;      // the server rejects the given ones
inline constexpr uint32_t kCauseUnauthenticated = 65548;  // the server requires some
inline constexpr uint32_t kCauseBusy = 65549;             // the server cannot complete the handshake now
inline constexpr uint32_t kCauseOutdated = 65550;         // the server is too old for the request
inline constexpr uint32_t kCauseOtherProtocol = 65551;    // nothing was sent: the server speaks another
inline constexpr uint32_t kCauseFeatures = 65552;         // the server lacks features of the protocol
// Of kOutcomeTimedOut: servers have sent the operation back because they did not have the partition.
inline constexpr uint32_t kCauseSentBack = 65553;
inline constexpr uint32_t kCausePartitions = 65554;  // nothing was executed: there are more or fewer by now

// Codes returned instead of a slot.
inline constexpr int32_t kRefusedClosed = -1;
inline constexpr int32_t kRefusedBackpressure = -2;
inline constexpr int32_t kRefusedKeyType = -3;
inline constexpr int32_t kRefusedKeyEmpty = -4;
inline constexpr int32_t kRefusedKeyTooLong = -5;
inline constexpr int32_t kRefusedKeyForbiddenByte = -6;
inline constexpr int32_t kRefusedKeyIllFormed = -7;
inline constexpr int32_t kRefusedValueType = -8;
inline constexpr int32_t kRefusedValueTooLarge = -9;
inline constexpr int32_t kRefusedQueuedBytes = -10;  // too many bytes wait to be written
inline constexpr int32_t kRefusedMemory = -11;       // the system has no memory for the value
inline constexpr int32_t kRefusedNoServer = -12;     // there is no server for keys
inline constexpr int32_t kRefusedShare = -13;        // this one of several servers has reached its share
inline constexpr int32_t kRefusedOperation = -14;    // the protocol of the key's server has no such operation
inline constexpr int32_t kRefusedNoCopy = -15;       // no server has the replica that was asked for

// Protocols.
inline constexpr uint32_t kProtocolMemcacheBinary = 0;
inline constexpr uint32_t kProtocolMemcacheMeta = 1;
inline constexpr uint32_t kProtocolCouchbase = 2;
inline constexpr uint32_t kProtocolCouchbaseClassic = 3;

// Handshakes: the opaque of their requests, and the codes of positive answers in the meta protocol. In the
// binary protocol, the code is the opcode.
inline constexpr uint32_t kHandshakeOpaque = 4294967295;
inline constexpr uint32_t kMetaAnswerNoOp = 32;
inline constexpr uint32_t kMetaAnswerVersion = 33;
inline constexpr uint32_t kMetaAnswerStored = 34;

// Words of a Meter, a Float64Array: the counters of one server's connections. From kMeterLatency on, one for
// each latency bucket (pipeline/latency.h): the number of answers in it.
inline constexpr uint32_t kMeterSent = 0;      // bytes; all bytes are counted before TLS
inline constexpr uint32_t kMeterReceived = 1;  // bytes
inline constexpr uint32_t kMeterReads = 2;     // answers to operations that read a value
inline constexpr uint32_t kMeterHits = 3;      // those that found one
inline constexpr uint32_t kMeterInFlight = 4;  // operations, now
inline constexpr uint32_t kMeterQueued = 5;    // operations, now
inline constexpr uint32_t kMeterLatency = 6;
inline constexpr uint32_t kLatencyBucketsPerOctave = 16;
inline constexpr uint32_t kMeterWords = 470;  // 16 of less than 16 µs, and 16 for each of 28 octaves

// kRecordFlags of a counter whose value is decimal text instead of 8 bytes.
inline constexpr uint32_t kDecimalCounter = 1;

// Hashes of keys: pipeline::KeyHash.
inline constexpr uint32_t kKeyHashMd5 = 0;
inline constexpr uint32_t kKeyHashOneAtATime = 1;
inline constexpr uint32_t kKeyHashJava = 2;

// What happens to operations while there is no connection to their server: pipeline::Offline.
inline constexpr uint32_t kOfflineWait = 0;
inline constexpr uint32_t kOfflineFailWhenDown = 1;
inline constexpr uint32_t kOfflineFail = 2;

// Events of a base, as passed to its dispatch function: (kind, id, argument).
inline constexpr uint32_t kEventTimer = 0;
inline constexpr uint32_t kEventReady = 1;   // argument: 1 readable, 2 writable, 3 both
inline constexpr uint32_t kEventSignal = 2;  // argument: the signal's number
inline constexpr uint32_t kEventStats = 3;
inline constexpr uint32_t kEventWatchFailed = 4;  // argument: an errno

// flush()'s modes: staged requests are held back until a kFlushAll, are sent ahead of what is held, or are
// sent after it.
inline constexpr uint32_t kFlushHold = 0;
inline constexpr uint32_t kFlushStaged = 1;
inline constexpr uint32_t kFlushAll = 2;

// submit()'s code: a wire::Op with these bits; the first when only the answer's status matters.
inline constexpr uint32_t kCodeDiscardsValue = 256;
inline constexpr uint32_t kCodeStringValue = 512;  // submitValue(): the value is a string
inline constexpr uint32_t kCodeWantsCas = 1024;    // for a read
inline constexpr uint32_t kCodeFits = 2048;        // fits() has confirmed that there is room for it
inline constexpr uint32_t kCodeSetsCas = 4096;     // for a write: the record's version is given
inline constexpr uint32_t kCodeDetailed = 8192;    // uses more of the block than timeout and flags
inline constexpr uint32_t kCodeExtended = 16384;   // uses Couchbase's words of the block
inline constexpr uint32_t kCodePreservesExpiry = 32768;
inline constexpr uint32_t kCodeWaits = 65536;        // submitValue(): for decideServer()
inline constexpr uint32_t kCodeAccepted = 131072;    // setAside() has accepted it before
inline constexpr uint32_t kCodeSetsExpiry = 262144;  // kMutateIn: the record gets the expiry of the block

// Values up to this many bytes are copied through slabs; larger ones use separate buffers.
inline constexpr uint32_t kLargeValue = 16384;
inline constexpr uint32_t kSlabBytes = 65536;
inline constexpr uint32_t kRecordsPerTake = 1024;

}  // namespace evenkeel::layout
