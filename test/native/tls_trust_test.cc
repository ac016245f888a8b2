// Whom TLS connections trust, what they say about themselves, and what is told of who is not trusted.
#include <string>
#include <thread>
#include <vector>

#include "tls_harness.h"

namespace evenkeel::test {
namespace {

using net::OpenSsl;
using net::TlsContext;
using net::TlsMistake;
using net::TlsOptions;

using Option = TlsMistake::Option;

class TlsTrustTest : public TlsTest {
 protected:
  ServerContext server(const std::string& alternatives, long valid_until = 3600) const {
    return make_server_context(issue(alternatives, valid_until));
  }
};

TEST_F(TlsTrustTest, ANameOrAnAddressHasToBeInTheCertificate) {
  connect(server("DNS:cache.example"), "cache.example");
  connect(server("DNS:cache.example"), "cache.example.");
  EXPECT_STREQ(SSL_get_servername(peer_->session(), TLSEXT_NAMETYPE_host_name), "cache.example");
  connect(server("DNS:*.cache.example"), "one.cache.example");
  connect(server("IP:127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(SSL_get_servername(peer_->session(), TLSEXT_NAMETYPE_host_name), nullptr);
  connect(server("IP:0:0:0:0:0:0:0:1"), "::1");
  const std::string refused = "the certificate of the server is refused: it is not for ";
  EXPECT_EQ(refusal(server("DNS:cache.example"), "other.example"),
            refused + "other.example, but for DNS:cache.example");
  EXPECT_EQ(client_->end.status.error(), EPROTO);
  EXPECT_EQ(refusal(server("DNS:*.cache.example"), "a.one.cache.example"),
            refused + "a.one.cache.example, but for DNS:*.cache.example");
  EXPECT_EQ(refusal(server("DNS:o*.cache.example"), "one.cache.example"),
            refused + "one.cache.example, but for DNS:o*.cache.example");
  EXPECT_EQ(refusal(server("DNS:127.0.0.1"), "127.0.0.1"), refused + "127.0.0.1, but for DNS:127.0.0.1");
  EXPECT_EQ(refusal(server("IP:127.0.0.1,DNS:a,DNS:b"), "127.0.0.2"),
            refused + "127.0.0.2, but for IP Address:127.0.0.1, DNS:a, DNS:b");
  EXPECT_EQ(refusal(server(""), "other.example"), refused + "other.example");
  std::string many = "DNS:a";
  for (int i = 0; i < 100; ++i) many += ",DNS:" + std::to_string(i) + ".example";
  EXPECT_LT(refusal(server(many), "other.example").size(), 300u);
}

TEST_F(TlsTrustTest, WithoutAHostTheAuthorityDecides) {
  connect(server("DNS:whoever"), "");
  options_.authorities = {make_identity({.is_authority = true}).certificate_pem()};
  EXPECT_NE(refusal(server("DNS:whoever"), ""), "");
}

TEST_F(TlsTrustTest, WhatIsExpiredOrNotYetValidIsRefused) {
  EXPECT_EQ(refusal(server("DNS:localhost", -60)),
            "the certificate of the server is refused: certificate has expired");
  const Identity early = make_identity({.alternatives = "DNS:localhost", .valid_from = 600}, &authority_);
  EXPECT_EQ(refusal(make_server_context(early)),
            "the certificate of the server is refused: certificate is not yet valid");
}

TEST_F(TlsTrustTest, UnknownAuthoritiesAreRefused) {
  const Identity stranger = make_identity({.name = "stranger", .is_authority = true});
  const Identity theirs = make_identity({.alternatives = "DNS:localhost"}, &stranger);
  const std::string refused = "the certificate of the server is refused: ";
  EXPECT_EQ(refusal(make_server_context(theirs)), refused + "unable to get local issuer certificate");
  const Identity own = make_identity({.alternatives = "DNS:localhost"});
  EXPECT_EQ(refusal(make_server_context(own)), refused + "self-signed certificate");
  options_.authorities.clear();
  EXPECT_NE(refusal(server("DNS:localhost")), "");
}

TEST_F(TlsTrustTest, AnyOfTheAuthoritiesWillDo) {
  std::string many;
  for (int i = 0; i < 3; ++i)
    many += make_identity({.name = std::to_string(i), .is_authority = true}).certificate_pem() + "\nwords\n";
  options_.authorities.insert(options_.authorities.begin(), many);
  connect(server("DNS:localhost"));
}

TEST_F(TlsTrustTest, WhoDoesNotVerifyTakesAnybody) {
  options_.verifies = false;
  options_.authorities.clear();
  connect(server("DNS:other", -60));
}

TEST_F(TlsTrustTest, AServerThatAsksGetsTheCertificate) {
  const ServerContext context = server("DNS:localhost");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority_.certificate.get());
  const Identity between = make_identity({.name = "between", .is_authority = true}, &authority_);
  const Identity own = make_identity({.name = "client"}, &between);
  options_.certificate = own.certificate_pem() + between.certificate_pem();
  options_.key = own.key_pem("open sesame");
  options_.passphrase = "open sesame";
  connect(context);
  const std::unique_ptr<X509, void (*)(X509*)> seen(SSL_get1_peer_certificate(peer_->session()), X509_free);
  EXPECT_EQ(X509_cmp(seen.get(), own.certificate.get()), 0);
}

// With TLS 1.3 the client is through with the handshake when it hears of that.
TEST_F(TlsTrustTest, AServerThatMissesTheCertificateSaysSo) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ServerContext context = make_server_context(issue("DNS:localhost"), version);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    begin(context);
    turn_until([&] { return client_->state == TlsClient::State::kOver; });
    EXPECT_EQ(client_->fault.find("the server refuses: "), 0u) << client_->fault;
    EXPECT_EQ(client_->end.status.error(), EPROTO);
  }
}

TEST_F(TlsTrustTest, VersionsAreLimited) {
  options_.min_version = net::TlsVersion::k13;
  const std::string refused = refusal(make_server_context(issue("DNS:localhost"), TLS1_2_VERSION));
  EXPECT_EQ(refused.find("the server refuses: "), 0u) << refused;
  options_.min_version = options_.max_version = net::TlsVersion::k12;
  connect(make_server_context(issue("DNS:localhost"), TLS1_2_VERSION));
  const ServerContext old = make_server_context(issue("DNS:localhost"), TLS1_1_VERSION);
  SSL_CTX_set_security_level(old.get(), 0);
  EXPECT_NE(refusal(old), "");
}

class TlsContextTest : public TlsTrustTest {
 protected:
  TlsMistake mistake(const TlsOptions& options) {
    TlsMistake mistake;
    EXPECT_EQ(TlsContext::create(*OpenSsl::find(), options, &mistake), nullptr);
    EXPECT_NE(mistake.text, "");
    EXPECT_EQ(ERR_peek_error(), 0u);
    return mistake;
  }
};

TEST_F(TlsContextTest, TellsWhichOptionIsWrong) {
  const Identity own = make_identity({.name = "client"}, &authority_);
  const std::string certificate = own.certificate_pem();
  EXPECT_EQ(mistake({.authorities = {"no PEM"}}).option, Option::kAuthorities);
  EXPECT_EQ(mistake({.authorities = {certificate.substr(0, certificate.size() / 2)}}).option,
            Option::kAuthorities);
  EXPECT_EQ(mistake({.certificate = "no PEM", .key = own.key_pem()}).option, Option::kCertificate);
  EXPECT_EQ(mistake({.certificate = certificate, .key = "no PEM"}).option, Option::kKey);
  EXPECT_EQ(mistake({.certificate = certificate}).option, Option::kKey);
  EXPECT_EQ(mistake({.key = own.key_pem()}).option, Option::kCertificate);
  EXPECT_EQ(mistake({.certificate = certificate, .key = authority_.key_pem()}).option, Option::kKey);
  EXPECT_EQ(mistake({.min_version = net::TlsVersion::k13, .max_version = net::TlsVersion::k12}).option,
            Option::kVersions);
}

TEST_F(TlsContextTest, OneServesManyThreadsAtOnce) {
  TlsMistake none;
  const auto context = TlsContext::create(*OpenSsl::find(), options_, &none);
  ASSERT_NE(context, nullptr);
  const ServerContext servers = server("DNS:localhost");
  const auto talk = [&] {
    Status status;
    const std::unique_ptr<base::EventBase> loop = base::EventBase::create(&status);
    Listener listener;
    TlsClient client(*loop, context, "localhost");
    ASSERT_TRUE(client.channel.connect(*net::Address::ip("127.0.0.1", listener.port())).is_ok());
    std::unique_ptr<Peer> wire;
    while ((wire = listener.accept()) == nullptr) loop->poll(1);
    TlsPeer peer(servers, std::move(wire));
    client.send("hello");
    while (peer.received != "hello" && client.state != TlsClient::State::kOver) {
      loop->poll(1);
      peer.turn();
    }
    EXPECT_EQ(peer.received, "hello") << client.fault;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { talk(), talk(), talk(); });
  for (std::thread& thread : threads) thread.join();
}

// OpenSSL by itself would ask for it on the terminal.
TEST_F(TlsContextTest, AWrongOrMissingPassPhraseIsAMistakeOfTheKey) {
  const Identity own = make_identity({.name = "client"}, &authority_);
  TlsOptions options{.certificate = own.certificate_pem(), .key = own.key_pem("open sesame")};
  EXPECT_EQ(mistake(options).option, Option::kKey);
  options.passphrase = "wrong";
  EXPECT_EQ(mistake(options).option, Option::kKey);
  options.passphrase = std::string(5000, 'x');
  EXPECT_EQ(mistake(options).option, Option::kKey);
}

}  // namespace
}  // namespace evenkeel::test
