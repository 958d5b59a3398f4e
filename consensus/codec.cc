// Bytes of messages. Lengths are written as a placeholder and patched, so that the values of a full
// Accept (a megabyte) are copied once.
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "consensus/message.h"

namespace synod::consensus {
namespace {

template <typename Body>
void Delimited(Writer* w, Body&& body) {
  const size_t at = w->out()->size();
  w->Fixed32(0);
  body();
  const auto n = static_cast<uint32_t>(w->out()->size() - at - sizeof(uint32_t));
  std::memcpy(w->out()->data() + at, &n, sizeof n);
}

// Reads one delimited item; what `body` leaves unread was added by a newer version.
template <typename Body>
void ReadDelimited(Reader* r, Body&& body) {
  const uint32_t n = r->Fixed32();
  Reader inner(r->Take(n));
  if (!r->ok())
    return;
  body(&inner);
  if (!inner.ok())
    r->Fail();
}

template <typename T, typename Put>
void WriteList(Writer* w, const std::vector<T>& items, Put&& put) {
  w->Varint(items.size());
  for (const T& item : items) Delimited(w, [&] { put(item); });
}

template <typename T, typename Get>
void ReadList(Reader* r, std::vector<T>* items, Get&& get) {
  const uint64_t n = r->Count(sizeof(uint32_t));
  for (uint64_t i = 0; i < n && r->ok(); ++i) {
    T item;
    ReadDelimited(r, [&](Reader* inner) { get(inner, &item); });
    if (r->ok())
      items->push_back(std::move(item));
  }
}

void Write(Writer* w, const PreVote& m) {
  w->Write(m.ballot);
  w->Number(m.learned);
  w->Varint(m.config_version);
}
void Read(Reader* r, PreVote* m) {
  m->ballot = r->ReadBallot();
  m->learned = r->Number<Slot>();
  m->config_version = r->Varint();
}

void Write(Writer* w, const PreVoteReply& m) {
  w->Write(m.ballot);
  w->Bool(m.granted);
  w->Write(m.promised);
  w->Number(m.learned);
  w->Number(m.leader);
}
void Read(Reader* r, PreVoteReply* m) {
  m->ballot = r->ReadBallot();
  m->granted = r->Bool();
  m->promised = r->ReadBallot();
  m->learned = r->Number<Slot>();
  m->leader = r->Number<NodeId>();
}

void Write(Writer* w, const Prepare& m) {
  w->Write(m.ballot);
  w->Number(m.from);
  w->Varint(m.config_version);
  w->Bool(m.transfer);
  if (!m.released.IsZero())
    w->Write(m.released);
}
void Read(Reader* r, Prepare* m) {
  m->ballot = r->ReadBallot();
  m->from = r->Number<Slot>();
  m->config_version = r->Varint();
  m->transfer = r->Bool();
  if (!r->AtEnd())
    m->released = r->ReadBallot();
}

void WriteAccepted(Writer* w, const AcceptedEntry& e) {
  w->Number(e.slot);
  w->Write(e.ballot);
  w->Bool(e.chosen);
  Encode(e.entry, w);
}
void ReadAccepted(Reader* r, AcceptedEntry* e) {
  e->slot = r->Number<Slot>();
  e->ballot = r->ReadBallot();
  e->chosen = r->Bool();
  Decode(r, &e->entry);
}

void Write(Writer* w, const Promise& m) {
  w->Write(m.ballot);
  w->Number(m.learned);
  w->Number(m.commit_hint);
  w->Number(m.first_slot);
  w->Number(m.from);
  w->Number(m.until);
  w->Varint(m.gen);
  WriteList(w, m.entries, [&](const AcceptedEntry& e) { WriteAccepted(w, e); });
}
void Read(Reader* r, Promise* m) {
  m->ballot = r->ReadBallot();
  m->learned = r->Number<Slot>();
  m->commit_hint = r->Number<Slot>();
  m->first_slot = r->Number<Slot>();
  m->from = r->Number<Slot>();
  m->until = r->Number<Slot>();
  m->gen = r->Varint();
  ReadList(r, &m->entries, ReadAccepted);
}

void Write(Writer* w, const Accept& m) {
  w->Write(m.ballot);
  w->Number(m.commit);
  w->Varint(m.read_seq);
  w->Varint(m.quorum_age);
  w->Varint(m.config_version);
  WriteList(w, m.entries, [&](const Proposal& p) {
    w->Number(p.slot);
    Encode(p.entry, w);
  });
  WriteList(w, m.gens, [&](const MemberGen& g) {
    w->Number(g.member);
    w->Varint(g.gen);
  });
  if (m.lease_ms != 0)
    w->Varint(m.lease_ms);
}
void Read(Reader* r, Accept* m) {
  m->ballot = r->ReadBallot();
  m->commit = r->Number<Slot>();
  m->read_seq = r->Varint();
  m->quorum_age = r->Number<Strong<struct AgeTag, uint32_t>>().value;
  m->config_version = r->Varint();
  ReadList(r, &m->entries, [](Reader* in, Proposal* p) {
    p->slot = in->Number<Slot>();
    Decode(in, &p->entry);
  });
  ReadList(r, &m->gens, [](Reader* in, MemberGen* g) {
    g->member = in->Number<NodeId>();
    g->gen = in->Varint();
  });
  if (!r->AtEnd())
    m->lease_ms = r->Varint();
}

void Write(Writer* w, const Accepted& m) {
  w->Write(m.ballot);
  w->Varint(m.read_seq);
  w->Number(m.learned);
  w->Number(m.durable_learned);
  w->Varint(m.gen);
  WriteList(w, m.ranges, [&](const SlotRange& s) {
    w->Number(s.first);
    w->Number(s.last);
  });
  if (m.lease_ms != 0)
    w->Varint(m.lease_ms);
}
void Read(Reader* r, Accepted* m) {
  m->ballot = r->ReadBallot();
  m->read_seq = r->Varint();
  m->learned = r->Number<Slot>();
  m->durable_learned = r->Number<Slot>();
  m->gen = r->Varint();
  ReadList(r, &m->ranges, [](Reader* in, SlotRange* s) {
    s->first = in->Number<Slot>();
    s->last = in->Number<Slot>();
    if (s->last < s->first)
      in->Fail();
  });
  if (!r->AtEnd())
    m->lease_ms = r->Varint();
}

void Write(Writer* w, const Nack& m) {
  w->Write(m.ballot);
  w->Write(m.promised);
  w->Number(m.learned);
  w->U8(static_cast<uint8_t>(m.reason));
}
void Read(Reader* r, Nack* m) {
  m->ballot = r->ReadBallot();
  m->promised = r->ReadBallot();
  m->learned = r->Number<Slot>();
  const uint8_t reason = r->U8();
  if (reason > static_cast<uint8_t>(NackReason::kTooFarAhead))
    r->Fail();
  else
    m->reason = static_cast<NackReason>(reason);
}

void Write(Writer* w, const LearnReq& m) {
  w->Number(m.from);
  w->Varint(m.bytes_max);
}
void Read(Reader* r, LearnReq* m) {
  m->from = r->Number<Slot>();
  m->bytes_max = r->Varint();
}

void Write(Writer* w, const LearnResp& m) {
  w->Number(m.from);
  w->Number(m.commit);
  w->Number(m.first_available);
  WriteList(w, m.entries, [&](const Chosen& c) {
    w->Number(c.slot);
    Encode(c.entry, w);
  });
}
void Read(Reader* r, LearnResp* m) {
  m->from = r->Number<Slot>();
  m->commit = r->Number<Slot>();
  m->first_available = r->Number<Slot>();
  ReadList(r, &m->entries, [](Reader* in, Chosen* c) {
    c->slot = in->Number<Slot>();
    Decode(in, &c->entry);
  });
}

void Write(Writer* w, const ReadIndexReq& m) {
  w->Fixed64(m.boot);
  w->Varint(m.id);
}
void Read(Reader* r, ReadIndexReq* m) {
  m->boot = r->Fixed64();
  m->id = r->Varint();
}

void Write(Writer* w, const ReadIndexResp& m) {
  w->Fixed64(m.boot);
  w->Varint(m.id);
  w->Bool(m.granted);
  w->Write(m.ballot);
  w->Number(m.index);
  w->Signed(m.stamp);
}
void Read(Reader* r, ReadIndexResp* m) {
  m->boot = r->Fixed64();
  m->id = r->Varint();
  m->granted = r->Bool();
  m->ballot = r->ReadBallot();
  m->index = r->Number<Slot>();
  m->stamp = r->Signed();
}

void Write(Writer* w, const TimeoutNow& m) {
  w->Write(m.ballot);
  w->Number(m.commit);
}
void Read(Reader* r, TimeoutNow* m) {
  m->ballot = r->ReadBallot();
  m->commit = r->Number<Slot>();
}

// Reads the body of the message whose type byte is `type`, trying alternative I of the variant.
template <size_t I = 0>
bool ReadBody(uint8_t type, Reader* body, Message* out) {
  if constexpr (I < std::variant_size_v<Message>) {
    if (type != I)
      return ReadBody<I + 1>(type, body, out);
    std::variant_alternative_t<I, Message> m;
    Read(body, &m);
    *out = std::move(m);
    return body->ok();
  } else {
    return false;
  }
}

}  // namespace

const char* Name(const Message& message) {
  static constexpr const char* kNames[] = {
      "PreVote", "PreVoteReply", "Prepare",   "Promise",      "Accept",        "Accepted",
      "Nack",    "LearnReq",     "LearnResp", "ReadIndexReq", "ReadIndexResp", "TimeoutNow"};
  static_assert(std::size(kNames) == std::variant_size_v<Message>);
  return kNames[message.index()];
}

void Encode(const Message& message, Writer* out) {
  out->U8(static_cast<uint8_t>(message.index()));
  Delimited(out, [&] { std::visit([&](const auto& m) { Write(out, m); }, message); });
}

Result<Message> DecodeMessage(Reader* in) {
  const uint8_t type = in->U8();
  Message message;
  bool known = false;
  ReadDelimited(in, [&](Reader* body) { known = ReadBody(type, body, &message); });
  if (!in->ok() || !known)
    return Error{.code = Errc::kInvalidRequest, .detail = "malformed consensus message"};
  return message;
}

void Encode(const AcceptedEntry& entry, Writer* out) {
  Delimited(out, [&] { WriteAccepted(out, entry); });
}

bool Decode(Reader* in, AcceptedEntry* entry) {
  ReadDelimited(in, [&](Reader* body) { ReadAccepted(body, entry); });
  return in->ok();
}

void Encode(const Entry& entry, Writer* out) {
  out->U8(static_cast<uint8_t>(entry.kind));
  out->Write(entry.origin);
  out->String(*entry.payload);
}

bool Decode(Reader* in, Entry* entry) {
  const uint8_t kind = in->U8();
  if (kind > static_cast<uint8_t>(EntryKind::kConfig))
    in->Fail();
  entry->kind = static_cast<EntryKind>(in->ok() ? kind : 0);
  entry->origin = in->ReadBallot();
  entry->payload = std::make_shared<const std::string>(in->String());
  return in->ok();
}

}  // namespace synod::consensus
