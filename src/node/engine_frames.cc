#include "src/node/engine_frames.h"

#include <string>

#include "src/base/codec.h"

namespace synod::node {
namespace {

enum class ItemType : uint8_t {
  kConsensus = 1,
  kForward = 2,
  kReject = 3,
  kReport = 4,
  kMoveLeader = 5,
  kStatement = 8,
  kStanding = 9,
  kSnapshotRequest = 16,
  kSnapshotChunk = 17,
  kSnapshotRefusal = 18,
};

template <typename Body>
void AppendTyped(ItemType type, Bytes* frame, Body&& body) {
  Writer w(frame);
  w.U8(static_cast<uint8_t>(type));
  w.Nested(body);
}

Forward ReadForward(Reader* r) {
  Forward f;
  f.ballot = r->ReadBallot();
  f.boot = r->Fixed64();
  f.base = r->Varint();
  const uint64_t count = r->Count(2);
  f.items.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t number = r->Varint();
    f.items.push_back({number, r->String()});
  }
  return f;
}

Reject ReadReject(Reader* r) {
  Reject j;
  j.ballot = r->ReadBallot();
  j.boot = r->Fixed64();
  j.reason = r->Bool() ? Reject::Reason::kOverloaded : Reject::Reason::kNotLeader;
  const uint64_t count = r->Count();
  j.numbers.reserve(count);
  for (uint64_t i = 0; i < count; ++i) j.numbers.push_back(r->Varint());
  return j;
}

Witness::Statement ReadStatement(Reader* r) {
  Witness::Statement s;
  s.asks = r->Bool();
  s.gen = r->Varint();
  s.config_version = r->Varint();
  const uint64_t count = r->Count();
  s.voters.reserve(count);
  for (uint64_t i = 0; i < count; ++i) s.voters.push_back(r->Number<NodeId>());
  return s;
}

void WriteHash(Writer& w, const Hash128& h) {
  w.Fixed64(h.hi);
  w.Fixed64(h.lo);
}

Hash128 ReadHash(Reader* r) {
  Hash128 h;
  h.hi = r->Fixed64();
  h.lo = r->Fixed64();
  return h;
}

SnapshotRequest ReadSnapshotRequest(Reader* r) {
  SnapshotRequest request;
  request.id = ReadHash(r);
  request.offset = r->Varint();
  request.above = r->Number<Slot>();
  return request;
}

SnapshotChunk ReadSnapshotChunk(Reader* r) {
  SnapshotChunk chunk;
  chunk.id = ReadHash(r);
  chunk.total = r->Varint();
  chunk.offset = r->Varint();
  chunk.crc = r->Fixed32();
  chunk.bytes = r->String();
  return chunk;
}

SnapshotRefusal ReadSnapshotRefusal(Reader* r) {
  SnapshotRefusal refusal;
  refusal.id = ReadHash(r);
  const uint8_t reason = r->U8();
  if (reason > static_cast<uint8_t>(SnapshotRefusal::Reason::kNothing))
    r->Fail();
  refusal.reason = static_cast<SnapshotRefusal::Reason>(reason);
  return refusal;
}

Report ReadReport(Reader* r) {
  Report report;
  report.applied = r->Number<Slot>();
  const uint64_t count = r->Count(17);
  report.digests.resize(count);
  for (SlotDigest& told : report.digests) {
    told.slot = r->Number<Slot>();
    told.digest.sum.hi = r->Fixed64();
    told.digest.sum.lo = r->Fixed64();
  }
  if (!r->AtEnd())
    report.durable = r->Number<Slot>();
  return report;
}

Error Malformed() {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, "malformed frame from a peer"};
}

}  // namespace

void AppendItem(const consensus::Message& message, Bytes* frame) {
  AppendTyped(ItemType::kConsensus, frame, [&](Writer& w) { consensus::Encode(message, &w); });
}

void AppendItem(const Forward& forward, Bytes* frame) {
  AppendTyped(ItemType::kForward, frame, [&](Writer& w) {
    w.Write(forward.ballot);
    w.Fixed64(forward.boot);
    w.Varint(forward.base);
    w.Varint(forward.items.size());
    for (const Forward::Item& item : forward.items) {
      w.Varint(item.number);
      w.String(item.command);
    }
  });
}

void AppendItem(const Reject& reject, Bytes* frame) {
  AppendTyped(ItemType::kReject, frame, [&](Writer& w) {
    w.Write(reject.ballot);
    w.Fixed64(reject.boot);
    w.Bool(reject.reason == Reject::Reason::kOverloaded);
    w.Varint(reject.numbers.size());
    for (const uint64_t number : reject.numbers) w.Varint(number);
  });
}

void AppendItem(const Report& report, Bytes* frame) {
  AppendTyped(ItemType::kReport, frame, [&](Writer& w) {
    w.Number(report.applied);
    w.Varint(report.digests.size());
    for (const SlotDigest& told : report.digests) {
      w.Number(told.slot);
      w.Fixed64(told.digest.sum.hi);
      w.Fixed64(told.digest.sum.lo);
    }
    w.Number(report.durable);
  });
}

void AppendItem(const MoveLeader& move, Bytes* frame) {
  AppendTyped(ItemType::kMoveLeader, frame, [&](Writer& w) { w.Number(move.to); });
}

void AppendItem(const Witness::Statement& statement, Bytes* frame) {
  AppendTyped(ItemType::kStatement, frame, [&](Writer& w) {
    w.Bool(statement.asks);
    w.Varint(statement.gen);
    w.Varint(statement.config_version);
    w.Varint(statement.voters.size());
    for (const NodeId voter : statement.voters) w.Number(voter);
  });
}

void AppendItem(const SnapshotRequest& request, Bytes* frame) {
  AppendTyped(ItemType::kSnapshotRequest, frame, [&](Writer& w) {
    WriteHash(w, request.id);
    w.Varint(request.offset);
    w.Number(request.above);
  });
}

void AppendItem(const SnapshotChunk& chunk, Bytes* frame) {
  AppendTyped(ItemType::kSnapshotChunk, frame, [&](Writer& w) {
    WriteHash(w, chunk.id);
    w.Varint(chunk.total);
    w.Varint(chunk.offset);
    w.Fixed32(chunk.crc);
    w.String(chunk.bytes);
  });
}

void AppendItem(const SnapshotRefusal& refusal, Bytes* frame) {
  AppendTyped(ItemType::kSnapshotRefusal, frame, [&](Writer& w) {
    WriteHash(w, refusal.id);
    w.U8(static_cast<uint8_t>(refusal.reason));
  });
}

void AppendItem(const Standing& standing, Bytes* frame) {
  AppendTyped(ItemType::kStanding, frame, [&](Writer& w) {
    w.U8(standing.disk_level);
    w.Bool(standing.takes_part);
  });
}

Result<std::vector<FrameItem>> ParseFrame(std::string_view frame) {
  std::vector<FrameItem> items;
  Reader r(frame);
  while (r.ok() && !r.AtEnd()) {
    const auto type = static_cast<ItemType>(r.U8());
    Reader body(r.String());
    if (!r.ok())
      return Malformed();
    if (type == ItemType::kConsensus) {
      Result<consensus::Message> message = consensus::DecodeMessage(&body);
      if (!message)
        return message.error();
      items.emplace_back(std::move(*message));
    } else if (type == ItemType::kForward) {
      items.emplace_back(ReadForward(&body));
    } else if (type == ItemType::kReject) {
      items.emplace_back(ReadReject(&body));
    } else if (type == ItemType::kReport) {
      items.emplace_back(ReadReport(&body));
    } else if (type == ItemType::kMoveLeader) {
      items.emplace_back(MoveLeader{body.Number<NodeId>()});
    } else if (type == ItemType::kStatement) {
      items.emplace_back(ReadStatement(&body));
    } else if (type == ItemType::kSnapshotRequest) {
      items.emplace_back(ReadSnapshotRequest(&body));
    } else if (type == ItemType::kSnapshotChunk) {
      items.emplace_back(ReadSnapshotChunk(&body));
    } else if (type == ItemType::kSnapshotRefusal) {
      items.emplace_back(ReadSnapshotRefusal(&body));
    } else if (type == ItemType::kStanding) {
      const uint8_t level = body.U8();
      items.emplace_back(Standing{level, body.Bool()});
    }
    if (!body.ok())
      return Malformed();
  }
  return items;
}

}  // namespace synod::node
