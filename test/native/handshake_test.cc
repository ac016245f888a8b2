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
  for (const Step& each : handshake.next()) bytes += as_text(each.request);
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

}  // namespace
}  // namespace evenkeel::test
