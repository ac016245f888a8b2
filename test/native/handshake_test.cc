// The steps of a handshake: what leaves when, what each answer means, and what is told of a refusal.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "client_test.h"
#include "steps.h"
#include "wire/memcache_meta/meta.h"

namespace evenkeel::test {
namespace {

using pipeline::Handshake;
using pipeline::Step;

constexpr uint8_t kVersion = 0x0b;
constexpr uint8_t kLogin = 0x21;
constexpr uint16_t kRefused = 0x20;
constexpr uint16_t kUnknown = 0x81;
constexpr uint16_t kOutOfMemory = 0x82;
constexpr uint16_t kInternalError = 0x84;
constexpr uint16_t kBusy = 0x85;
constexpr uint16_t kTemporaryFailure = 0x86;

std::string leaving(Handshake& handshake) {
  std::string bytes;
  for (const std::span<const std::byte> each : handshake.next()) bytes += as_text(each);
  return bytes;
}

uint32_t grant(Handshake& handshake, uint8_t code, std::string_view value = "") {
  return handshake.answered({.is_success = true, .code = code}, as_bytes(value));
}

uint32_t refuse(Handshake& handshake, uint16_t status) {
  return handshake.answered({.code = 99, .status = status}, {});
}

Step waiting(Step step) {
  step.waits = true;
  return step;
}

TEST(Handshake, WhatDoesNotWaitLeavesTogether) {
  Handshake handshake(steps({step("a", 1), step("b", 2), waiting(step("c", 3)), step("d", 4)}));
  EXPECT_EQ(leaving(handshake), "ab");
  EXPECT_EQ(leaving(handshake), "");
  EXPECT_EQ(grant(handshake, 1), 0u);
  EXPECT_EQ(leaving(handshake), "");
  EXPECT_EQ(grant(handshake, 2), 0u);
  EXPECT_FALSE(handshake.is_over());
  EXPECT_EQ(leaving(handshake), "cd");
  EXPECT_EQ(grant(handshake, 3), 0u);
  EXPECT_EQ(grant(handshake, 4), 0u);
  EXPECT_TRUE(handshake.is_over());
  handshake.reset();
  EXPECT_FALSE(handshake.is_over());
  EXPECT_EQ(leaving(handshake), "ab");
}

TEST(Handshake, AnAnswerToWhatHasNotLeftIsNone) {
  Handshake handshake(steps({step("a", 1), waiting(step("b", 2))}));
  EXPECT_EQ(grant(handshake, 1), layout::kCauseUnknownOpaque);
  leaving(handshake);
  EXPECT_EQ(grant(handshake, 1), 0u);
  EXPECT_EQ(grant(handshake, 2), layout::kCauseUnknownOpaque);
}

TEST(Handshake, AnAnswerHasToBeOneToItsStep) {
  Handshake handshake(steps({step("a", 1), step("b", 2)}));
  leaving(handshake);
  EXPECT_EQ(grant(handshake, 2), layout::kCauseWrongOpcode);
  EXPECT_EQ(handshake.answered({.has_op = true, .code = 2, .status = kRefused}, {}),
            layout::kCauseWrongOpcode);
  EXPECT_EQ(grant(handshake, 1), 0u);
}

Step asking(std::string_view request, uint8_t code) {
  Step asked = step(request, code);
  asked.asks = true;
  return asked;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  return {as_bytes(text).begin(), as_bytes(text).end()};
}

TEST(Handshake, AStepThatAsksWaitsForItsRequest) {
  Handshake handshake(steps({step("a", 1), step("b", 2), asking("", 3), step("d", 4)}));
  EXPECT_FALSE(handshake.asks(handshake.attempt()));
  EXPECT_EQ(leaving(handshake), "ab");
  EXPECT_EQ(grant(handshake, 1), 0u);
  EXPECT_FALSE(handshake.asks(handshake.attempt()));
  EXPECT_EQ(grant(handshake, 2), 0u);
  EXPECT_EQ(leaving(handshake), "");
  EXPECT_TRUE(handshake.asks(handshake.attempt()));
  EXPECT_FALSE(handshake.asks(handshake.attempt() + 1));
  handshake.supply(bytes_of("c"));
  EXPECT_FALSE(handshake.asks(handshake.attempt()));
  EXPECT_EQ(leaving(handshake), "cd");
  EXPECT_FALSE(handshake.asks(handshake.attempt()));
  EXPECT_EQ(grant(handshake, 3), 0u);
  EXPECT_EQ(grant(handshake, 4), 0u);
  EXPECT_TRUE(handshake.is_over());
  EXPECT_FALSE(handshake.asks(handshake.attempt()));
}

TEST(Handshake, WhatWasGivenForOneAttemptIsNotUsedInTheNext) {
  Handshake handshake(steps({step("a", 1), asking("", 2)}));
  leaving(handshake);
  grant(handshake, 1);
  handshake.supply(bytes_of("b"));
  const uint32_t failed = handshake.attempt();
  handshake.reset();
  EXPECT_EQ(leaving(handshake), "a");
  grant(handshake, 1);
  EXPECT_EQ(leaving(handshake), "");
  EXPECT_FALSE(handshake.asks(failed));
  EXPECT_TRUE(handshake.asks(handshake.attempt()));
}

TEST(Handshake, WhatIsOptionalMayBeRefusedForAnyReason) {
  Step optional = step("a", 1);
  optional.is_optional = true;
  for (const uint16_t status : {kRefused, kUnknown, kBusy}) {
    Handshake handshake(steps({optional, step("b", 2)}));
    leaving(handshake);
    EXPECT_EQ(refuse(handshake, status), 0u);
    EXPECT_FALSE(handshake.is_over());
  }
}

TEST(Handshake, AServerHasToGrantTheFeaturesOfTheProtocol) {
  Step hello = step("hello", 1);
  hello.features = {0x12, 0x10};
  hello.is_optional = true;
  const std::map<std::string, uint32_t> examples{{"00 10 00 12", 0},
                                                 {"00 03 00 12 00 04 00 10", 0},
                                                 {"00 10", layout::kCauseFeatures},
                                                 {"00 10 12", layout::kCauseFeatures},
                                                 {"10 00 12 00", layout::kCauseFeatures},
                                                 {"00 00 12 00 10", layout::kCauseFeatures},
                                                 {"", layout::kCauseFeatures}};
  for (const auto& [granted, cause] : examples) {
    Handshake handshake(steps({hello}));
    leaving(handshake);
    EXPECT_EQ(grant(handshake, 1, unhex(granted)), cause) << granted;
  }
  Handshake refused(steps({hello}));
  leaving(refused);
  EXPECT_EQ(refuse(refused, kUnknown), layout::kCauseFeatures);
}

// As the login of memcached's text protocols.
std::vector<Step> questions() {
  Step question = step("question", 1);
  question.tolerated = kRefused;
  question.skips = 2;
  Step login = waiting(step("login", 2));
  login.authenticates = true;
  Step version = waiting(step("version", 1));
  version.tells_version = true;
  return {question, login, waiting(step("again", 1)), version};
}

TEST(Handshake, WhatIsGrantedMayMakeOthersUnnecessary) {
  Handshake handshake(steps(questions()));
  EXPECT_EQ(leaving(handshake), "question");
  EXPECT_EQ(grant(handshake, 1), 0u);
  EXPECT_EQ(leaving(handshake), "version");
  EXPECT_EQ(grant(handshake, 1, "1.6.18"), 0u);
  EXPECT_TRUE(handshake.is_over());
  EXPECT_EQ(as_text(handshake.version()), "1.6.18");
}

TEST(Handshake, AServerMayBeTooOld) {
  for (const auto& [version, cause] :
       std::map<std::string, uint32_t>{{"1.6.18", 0},
                                       {"1.6.18_beta-1", 0},
                                       {"1.10.0", 0},
                                       {"2.0.0", 0},
                                       {"1.6.999999999999", 0},
                                       {"1.6.17", layout::kCauseOutdated},
                                       {"1.5.22", layout::kCauseOutdated},
                                       {"1.6", layout::kCauseOutdated},
                                       {"1.6.", layout::kCauseOutdated},
                                       {"1..6.18", layout::kCauseOutdated},
                                       {"mcrouter 1.6.18", layout::kCauseOutdated},
                                       {"", layout::kCauseOutdated}}) {
    Step asking = step("version", 1);
    asking.tells_version = true;
    asking.oldest_version = 0x010612;
    Handshake handshake(steps({asking}));
    leaving(handshake);
    EXPECT_EQ(grant(handshake, 1, version), cause) << version;
  }
}

TEST(Handshake, WhatIsToleratedIsNot) {
  Handshake handshake(steps(questions()));
  leaving(handshake);
  EXPECT_FALSE(handshake.is_secret());
  EXPECT_EQ(refuse(handshake, kRefused), 0u);
  EXPECT_EQ(leaving(handshake), "login");
  EXPECT_TRUE(handshake.is_secret());
  EXPECT_EQ(grant(handshake, 2), 0u);
  EXPECT_FALSE(handshake.is_secret());
  EXPECT_EQ(leaving(handshake), "again");
}

TEST(Handshake, ARefusalSaysWhatWasRefused) {
  for (const uint16_t status : {uint16_t{0}, kRefused, kUnknown}) {
    Handshake plain(steps({step("a", 1)}));
    leaving(plain);
    EXPECT_EQ(refuse(plain, status),
              status == kRefused ? layout::kCauseUnauthenticated : layout::kCauseHandshake);
    Step login = step("login", 1);
    login.authenticates = true;
    Handshake authenticating(steps({login}));
    leaving(authenticating);
    EXPECT_EQ(refuse(authenticating, status), layout::kCauseCredentials);
    EXPECT_TRUE(authenticating.is_secret());
  }
}

TEST(Handshake, WhatAServerCannotDoForNowIsNoRefusal) {
  for (const uint16_t status : {kOutOfMemory, kInternalError, kBusy, kTemporaryFailure}) {
    Step login = step("login", 1);
    login.authenticates = true;
    for (const Step& each : {step("a", 1), login}) {
      Handshake handshake(steps({each}));
      leaving(handshake);
      EXPECT_EQ(refuse(handshake, status), layout::kCauseBusy);
    }
  }
}

TEST(Handshake, CredentialsThatDoNotSufficeAreRefused) {
  Step login = step("login", 1);
  login.authenticates = true;
  login.tolerated = kUnknown;
  for (const bool is_known : {true, false}) {
    Handshake handshake(steps({login, step("again", 2)}));
    leaving(handshake);
    EXPECT_EQ(is_known ? grant(handshake, 1) : refuse(handshake, kUnknown), 0u);
    EXPECT_EQ(refuse(handshake, kRefused), layout::kCauseCredentials);
  }
}

class Authentication : public ClientTest {
 protected:
  void start_authenticating(const pipeline::Options& options) {
    Step login = step(binary_request(kLogin, "PLAIN", "secret"), kLogin);
    login.authenticates = true;
    login.tolerated = kUnknown;
    Step version = step(binary_request(kVersion), kVersion);
    version.tells_version = true;
    client_ = std::make_unique<ClientHarness>(GetParam(), options, steps({login, version}));
    client_->connect(listener_.port());
  }
  // Both requests have left before either is answered.
  void answer_login(uint16_t status, std::string words) {
    ASSERT_NO_FATAL_FAILURE(accept());
    Packet login;
    Packet version;
    ASSERT_NO_FATAL_FAILURE(next_request(&login));
    ASSERT_NO_FATAL_FAILURE(next_request(&version));
    EXPECT_EQ(login.value, "secret");
    peer_->send(encode({.opcode = kLogin, .status = status, .opaque = login.opaque, .value = words}) +
                encode({.opcode = kVersion, .opaque = version.opaque, .value = "1.6.45"}));
  }
};
INSTANTIATE_TEST_SUITE_P(, Authentication, kBothDrives, drive_name);

TEST_P(Authentication, GrantedOrUnknownItGoesOn) {
  for (const uint16_t status : {uint16_t{0}, kUnknown}) {
    start_authenticating(quick());
    ASSERT_NO_FATAL_FAILURE(answer_login(status, "words"));
    ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeConnected) == 1; }));
    EXPECT_EQ(client_->events().back().value, "1.6.45");
    client_->close();
  }
}

TEST_P(Authentication, ARefusalFailsWhatWaitsAndIsTriedAgain) {
  start_authenticating(quick());
  const size_t early = client_->send({});
  ASSERT_NO_FATAL_FAILURE(answer_login(kRefused, "no, secret"));
  ASSERT_NO_FATAL_FAILURE(wait_for(early));
  EXPECT_EQ(outcome(early), layout::kOutcomeOffline);
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseCredentials);
  for (const Event& event : client_->events()) EXPECT_EQ(event.value, "");
  const size_t late = client_->send({});
  ASSERT_NO_FATAL_FAILURE(wait_for(late));
  EXPECT_EQ(outcome(late), layout::kOutcomeOffline);
  ASSERT_NO_FATAL_FAILURE(answer_login(0, "welcome"));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeConnected) == 1; }));
  client_->send({.key = "granted"});
  ASSERT_NO_FATAL_FAILURE(expect_key("granted"));
}

TEST_P(Authentication, ABusyServerIsWaitedFor) {
  start_authenticating(quick());
  const size_t get = client_->send({});
  ASSERT_NO_FATAL_FAILURE(answer_login(kBusy, "secret"));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseBusy);
  for (const Event& event : client_->events()) EXPECT_EQ(event.value, "");
  ASSERT_NO_FATAL_FAILURE(answer_login(0, "welcome"));
  ASSERT_NO_FATAL_FAILURE(expect_key("key"));
  EXPECT_FALSE(client_->settled(get));
}

TEST_P(Authentication, WhatAStrangerSaysToCredentialsIsNotTold) {
  start_authenticating(quick());
  ASSERT_NO_FATAL_FAILURE(accept());
  peer_->send("you said secret\r\n");
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseBadMagic);
  for (const Event& event : client_->events()) EXPECT_EQ(event.value, "");
}

// Another attempt that fails is another reason, with the patience that it deserves.
TEST_P(Authentication, AServerThatIsDownIsNotOneThatRefuses) {
  start_authenticating(quick());
  ASSERT_NO_FATAL_FAILURE(answer_login(kRefused, ""));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  peer_->close();
  listener_.close();
  ASSERT_TRUE(client_->until([&] { return client_->last_cause() == ECONNREFUSED; }));
  const size_t get = client_->send({});
  listener_.reopen();
  ASSERT_NO_FATAL_FAILURE(answer_login(0, ""));
  ASSERT_NO_FATAL_FAILURE(expect_key("key"));
  EXPECT_FALSE(client_->settled(get));
}

class Unasked : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(, Unasked, kBothDrives, drive_name);

TEST_P(Unasked, AServerToWhichNothingIsToBeSaidFirstIsAskedAtOnce) {
  client_ = std::make_unique<ClientHarness>(GetParam(), pipeline::Options(), steps({}));
  client_->connect(listener_.port());
  const size_t get = client_->send({});
  ASSERT_NO_FATAL_FAILURE(accept());
  Packet request;
  ASSERT_NO_FATAL_FAILURE(next_request(&request));
  EXPECT_EQ(request.key, "key");
  answer(request, "value");
  ASSERT_TRUE(client_->until([&] { return client_->settled(get); }));
  EXPECT_EQ(client_->operation(get).value, "value");
  EXPECT_EQ(client_->count(layout::kOutcomeConnected), 1);
}

class Negotiation : public ClientTest {
 protected:
  static constexpr uint8_t kHello = 0x1f;
  static constexpr uint8_t kErrorMap = 0xfe;
  static constexpr uint8_t kSelect = 0x89;
  static constexpr uint16_t kContinue = 0x21;

  // As with Couchbase: the words of the login, and the bucket, are JavaScript's.
  pipeline::Steps negotiation() {
    Step hello = step(binary_request(kHello), kHello);
    hello.features = {0x12};
    Step errors = step(binary_request(kErrorMap), kErrorMap);
    errors.is_optional = errors.tells = true;
    Step login = step(binary_request(0x21, "SCRAM", "first"), 0x21);
    login.authenticates = login.tells = true;
    login.tolerated = kContinue;
    Step proof = asking("", 0x22);
    proof.authenticates = proof.tells = true;
    return steps({hello, errors, login, proof, asking("", kSelect)});
  }
  void start_negotiating() {
    client_ = std::make_unique<ClientHarness>(GetParam(), quick(), negotiation());
    client_->connect(listener_.port());
    ASSERT_NO_FATAL_FAILURE(accept());
  }
  void grant_next(uint8_t opcode, std::string value, uint16_t status = 0) {
    Packet request;
    ASSERT_NO_FATAL_FAILURE(next_request(&request));
    ASSERT_EQ(request.opcode, opcode);
    last_ = request;
    peer_->answer({.opcode = opcode, .status = status, .opaque = request.opaque, .value = std::move(value)});
  }
  std::vector<Event> told() const {
    std::vector<Event> events;
    for (const Event& event : client_->events())
      if (event.outcome == layout::kOutcomeHandshake) events.push_back(event);
    return events;
  }
  void wait_until_told(size_t times) {
    ASSERT_TRUE(client_->until([&] { return told().size() >= times; }));
  }
  void supply(const std::string& request) {
    client_->client().continue_handshake(0, told().back().flags, bytes_of(request));
  }

  Packet last_;
};
INSTANTIATE_TEST_SUITE_P(, Negotiation, kBothDrives, drive_name);

TEST_P(Negotiation, JavaScriptHearsOfAnswersAndGivesRequests) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  const std::string errors(40'000, 'e');
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, errors));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x21, "challenge", kContinue));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(2));
  EXPECT_TRUE(told()[0].value == errors);
  EXPECT_EQ(told()[0].detail, 1u);
  EXPECT_EQ(told()[1].value, "challenge");
  EXPECT_EQ(told()[1].detail, 2u);
  EXPECT_EQ(told()[1].status, kContinue);
  supply(binary_request(0x22, "SCRAM", "proof"));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x22, "signature"));
  EXPECT_EQ(last_.value, "proof");
  ASSERT_NO_FATAL_FAILURE(wait_until_told(3));
  EXPECT_EQ(told()[2].value, "signature");
  const size_t get = client_->send({.key = "k"});
  supply(binary_request(kSelect, "bucket"));
  ASSERT_NO_FATAL_FAILURE(grant_next(kSelect, ""));
  ASSERT_NO_FATAL_FAILURE(expect_key("k"));
  EXPECT_FALSE(client_->settled(get));
}

TEST_P(Negotiation, WhatIsGivenTooLateOrUnaskedIsNotSent) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  client_->client().continue_handshake(0, 0, bytes_of("x"));
  client_->client().continue_handshake(7, 0, bytes_of("x"));
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, "", kUnknown));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x21, "challenge", kContinue));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(2));
  const uint32_t attempt = told().back().flags;
  peer_->reset();
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  ASSERT_NO_FATAL_FAILURE(accept());
  client_->client().continue_handshake(0, attempt, bytes_of(binary_request(0x22, "", "late")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, ""));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x21, "another", kContinue));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(4));
  EXPECT_NE(told().back().flags, attempt);
  client_->client().continue_handshake(0, attempt, bytes_of(binary_request(0x22, "", "late")));
  supply(binary_request(0x22, "", "proof"));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x22, ""));
  EXPECT_EQ(last_.value, "proof");
}

TEST_P(Negotiation, WhatIsGivenForAServerThatIsGoneIsNotSentToTheOneThatHasItsId) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  const auto come_to_the_proof = [this](std::string_view challenge, size_t times) {
    ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
    ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, ""));
    ASSERT_NO_FATAL_FAILURE(grant_next(0x21, std::string(challenge), kContinue));
    ASSERT_NO_FATAL_FAILURE(wait_until_told(times));
  };
  ASSERT_NO_FATAL_FAILURE(come_to_the_proof("of one", 2));
  const uint32_t attempt = told().back().flags;
  client_->client().retire_server(0);
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeRetired) == 1; }));
  client_->client().add_server(0, wire::memcache::kBinary, negotiation());
  client_->connect(listener_.port());
  ASSERT_NO_FATAL_FAILURE(accept());
  ASSERT_NO_FATAL_FAILURE(come_to_the_proof("of another", 4));
  client_->client().continue_handshake(0, attempt, bytes_of(binary_request(0x22, "", "for the one")));
  supply(binary_request(0x22, "", "for the other"));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x22, ""));
  EXPECT_EQ(last_.value, "for the other");
}

TEST_P(Negotiation, AServerThatDoesNotProveItselfIsRefused) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  const size_t get = client_->send({.key = "k"});
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, ""));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x21, "challenge", kContinue));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(2));
  client_->client().continue_handshake(0, told().back().flags, {});
  ASSERT_NO_FATAL_FAILURE(wait_for(get));
  EXPECT_EQ(outcome(get), layout::kOutcomeOffline);
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseCredentials);
}

TEST_P(Negotiation, ARefusalTellsWhichStepItIsOf) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 12")));
  ASSERT_NO_FATAL_FAILURE(grant_next(kErrorMap, ""));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x21, "challenge", kContinue));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(2));
  supply(binary_request(0x22, "SCRAM", "proof"));
  ASSERT_NO_FATAL_FAILURE(grant_next(0x22, "signature"));
  ASSERT_NO_FATAL_FAILURE(wait_until_told(3));
  supply(binary_request(kSelect, "bucket"));
  ASSERT_NO_FATAL_FAILURE(grant_next(kSelect, "", 0x01));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseHandshake);
  EXPECT_EQ(client_->events().back().flags >> 8, 4u);
}

TEST_P(Negotiation, AServerWithoutTheFeaturesMaySpeakAnotherProtocol) {
  ASSERT_NO_FATAL_FAILURE(start_negotiating());
  ASSERT_NO_FATAL_FAILURE(grant_next(kHello, unhex("00 0b")));
  ASSERT_TRUE(client_->until([&] { return client_->count(layout::kOutcomeDisconnected) > 0; }));
  EXPECT_EQ(client_->last_cause(), layout::kCauseFeatures);
  EXPECT_EQ(client_->events().back().flags, 1u);
}

}  // namespace
}  // namespace evenkeel::test
