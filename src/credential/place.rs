//! Where credentials stand: what the name of a header, of a parameter or of a cookie says about its value.
//!
//! Two questions are kept apart. *Who called?* is answered only from the places listed here by name, because a
//! wrong answer is worse than none. *May it be shown?* is answered by patterns too, because there the doubt goes
//! the other way: `X-Acme-Session-Token` is masked, but names nobody.

use crate::content::DecodedPercent;
use crate::http::h1::head::is_token;

/// What a header's name says of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// Nothing of what follows.
    #[default]
    Ordinary,
    /// `Host`.
    Host,
    /// `Content-Type`.
    ContentType,
    /// `Content-Encoding`.
    ContentEncoding,
    /// A method other than that of the start line is meant.
    MethodOverride,
    /// `WWW-Authenticate`, `Proxy-Authenticate`: the schemes that are asked for, no secret.
    Challenge,
    /// `Authorization`.
    Authorization,
    /// `Proxy-Authorization`: for the proxy, not for the service.
    ProxyAuthorization,
    /// `Cookie`.
    Cookie,
    /// `Set-Cookie`.
    SetCookie,
    /// A token that names a person or a session.
    Token,
    /// A key that names an application.
    ApiKey,
    /// A secret that does not say who calls; its kind.
    Secret(&'static str),
    /// No name, since it is no token (RFC 9110 §5.1): of a line that is no header anything may stand in its place.
    Invalid,
}

const HEADERS: &[(&str, Header)] = &[
    ("host", Header::Host),
    ("content-type", Header::ContentType),
    ("content-encoding", Header::ContentEncoding),
    ("x-http-method-override", Header::MethodOverride),
    ("x-http-method", Header::MethodOverride),
    ("x-method-override", Header::MethodOverride),
    ("www-authenticate", Header::Challenge),
    ("proxy-authenticate", Header::Challenge),
    ("authorization", Header::Authorization),
    ("proxy-authorization", Header::ProxyAuthorization),
    ("authentication-info", Header::Secret("authentication-info")),
    ("proxy-authentication-info", Header::Secret("authentication-info")),
    ("cookie", Header::Cookie),
    ("set-cookie", Header::SetCookie),
    ("x-auth-token", Header::Token),
    ("x-access-token", Header::Token),
    ("x-session-token", Header::Token),
    ("x-session-id", Header::Token),
    ("x-user-token", Header::Token),
    ("x-id-token", Header::Token),
    ("x-vault-token", Header::Token),
    ("x-amz-security-token", Header::Token),
    ("x-amzn-oidc-accesstoken", Header::Token),
    ("x-goog-iap-jwt-assertion", Header::Token),
    ("cf-access-jwt-assertion", Header::Token),
    ("x-ms-token-aad-access-token", Header::Token),
    ("private-token", Header::Token),
    ("job-token", Header::Token),
    ("deploy-token", Header::Token),
    ("x-shopify-access-token", Header::Token),
    ("x-figma-token", Header::Token),
    ("x-consul-token", Header::Token),
    ("x-nomad-token", Header::Token),
    ("x-gitlab-token", Header::Token),
    ("x-jwt", Header::Token),
    ("token", Header::Token),
    ("access-token", Header::Token),
    ("auth-token", Header::Token),
    ("x-api-key", Header::ApiKey),
    ("x-apikey", Header::ApiKey),
    ("x-api-token", Header::ApiKey),
    ("api-key", Header::ApiKey),
    ("apikey", Header::ApiKey),
    ("api_key", Header::ApiKey),
    ("x-app-key", Header::ApiKey),
    ("x-client-key", Header::ApiKey),
    ("x-goog-api-key", Header::ApiKey),
    ("ocp-apim-subscription-key", Header::ApiKey),
    ("x-rapidapi-key", Header::ApiKey),
    ("x-functions-key", Header::ApiKey),
    ("dd-api-key", Header::ApiKey),
    ("dd-application-key", Header::ApiKey),
    ("x-algolia-api-key", Header::ApiKey),
    ("x-typesense-api-key", Header::ApiKey),
    ("x-postmark-server-token", Header::ApiKey),
    ("x-insert-key", Header::ApiKey),
    ("x-newrelic-license-key", Header::ApiKey),
    ("x-honeycomb-team", Header::ApiKey),
    ("x-elastic-api-key", Header::ApiKey),
    ("x-cg-pro-api-key", Header::ApiKey),
    ("x-rollbar-access-token", Header::ApiKey),
];

/// Parts of a header's name that make its value a secret where the name is not listed.
const HEADER_PATTERNS: &[(&str, &str)] = &[
    ("csrf", "csrf-token"),
    ("xsrf", "csrf-token"),
    ("api-key", "api-key"),
    ("apikey", "api-key"),
    ("access-key", "api-key"),
    ("passw", "password"),
    ("secret", "secret"),
    ("credential", "secret"),
    ("private-key", "secret"),
    ("session", "session"),
    ("cookie", "cookie"),
    ("signature", "signature"),
    ("jwt", "token"),
    ("token", "token"),
];

impl Header {
    /// By its name, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        if let Some((_, header)) =
            HEADERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
        {
            return *header;
        }
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Self::Invalid;
        }
        if let Some((_, kind)) = HEADER_PATTERNS.iter().find(|(part, _)| contains(name, part)) {
            return Self::Secret(kind);
        }
        // `X-Forwarded-Authorization` and `X-Auth-Request` hold credentials, `X-Author` and `X-Authenticated-User`
        // hold names.
        let names_somebody = contains(name, "author") && !contains(name, "authoriz");
        if contains(name, "auth") && !contains(name, "authentic") && !names_somebody {
            return Self::Secret("authorization");
        }
        Self::Ordinary
    }
}

/// What a parameter's name says of its value, in a query, in a form or behind `;` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parameter {
    /// Nothing of what follows.
    #[default]
    Ordinary,
    /// `_method`: a method other than that of the start line is meant.
    MethodOverride,
    /// A token that names a person or a session.
    Token,
    /// A session's id.
    Session,
    /// A key that names an application.
    ApiKey,
    /// As before, if the value is long enough to be one: `key` is a cache key and an API key.
    PerhapsApiKey,
    /// `X-Amz-Credential`: an access key's id, then the scope behind `/`.
    AwsCredential,
    /// The signature that makes an address valid; of Azure, where it is all that says who may come.
    SharedAccessSignature,
    /// A password.
    Password,
    /// A client's secret.
    ClientSecret,
    /// A secret that does not say who calls; its kind.
    Secret(&'static str),
    /// As before, if the value is long enough to be one: `code` is an authorization code and a country.
    PerhapsSecret(&'static str),
}

/// Names in lower case without `_`, `-` and `.`, so that `api_key`, `api-key` and `apiKey` are one.
const PARAMETERS: &[(&str, Parameter)] = &[
    ("token", Parameter::Token),
    ("accesstoken", Parameter::Token),
    ("authtoken", Parameter::Token),
    ("idtoken", Parameter::Token),
    ("usertoken", Parameter::Token),
    ("bearertoken", Parameter::Token),
    ("oauthtoken", Parameter::Token),
    ("sessiontoken", Parameter::Token),
    ("xamzsecuritytoken", Parameter::Token),
    ("privatetoken", Parameter::Token),
    ("apitoken", Parameter::Token),
    ("jwt", Parameter::Token),
    ("bearer", Parameter::Token),
    ("authorization", Parameter::Token),
    ("auth", Parameter::PerhapsSecret("token")),
    ("sid", Parameter::Session),
    ("session", Parameter::Session),
    ("sessionid", Parameter::Session),
    ("sessid", Parameter::Session),
    ("sessionkey", Parameter::Session),
    ("jsessionid", Parameter::Session),
    ("phpsessid", Parameter::Session),
    ("apikey", Parameter::ApiKey),
    ("xapikey", Parameter::ApiKey),
    ("appkey", Parameter::ApiKey),
    ("clientkey", Parameter::ApiKey),
    ("authkey", Parameter::ApiKey),
    ("subscriptionkey", Parameter::ApiKey),
    ("ocpapimsubscriptionkey", Parameter::ApiKey),
    ("accesskey", Parameter::ApiKey),
    ("accesskeyid", Parameter::ApiKey),
    ("awsaccesskeyid", Parameter::ApiKey),
    ("key", Parameter::PerhapsApiKey),
    ("xamzcredential", Parameter::AwsCredential),
    ("sig", Parameter::SharedAccessSignature),
    ("password", Parameter::Password),
    ("passwd", Parameter::Password),
    ("pwd", Parameter::Password),
    ("pass", Parameter::Password),
    ("passphrase", Parameter::Password),
    ("clientsecret", Parameter::ClientSecret),
    ("secret", Parameter::ClientSecret),
    ("apisecret", Parameter::ClientSecret),
    ("appsecret", Parameter::ClientSecret),
    ("passcode", Parameter::Secret("code")),
    ("otp", Parameter::Secret("code")),
    ("totp", Parameter::Secret("code")),
    ("pin", Parameter::Secret("code")),
    ("cvv", Parameter::Secret("code")),
    ("cvc", Parameter::Secret("code")),
    ("code", Parameter::PerhapsSecret("code")),
    ("ticket", Parameter::PerhapsSecret("ticket")),
    ("assertion", Parameter::Secret("assertion")),
    ("clientassertion", Parameter::Secret("assertion")),
    ("samlresponse", Parameter::Secret("assertion")),
    ("codeverifier", Parameter::Secret("secret")),
    ("signature", Parameter::Secret("signature")),
    ("xamzsignature", Parameter::Secret("signature")),
    ("xgoogsignature", Parameter::Secret("signature")),
    ("oauthsignature", Parameter::Secret("signature")),
    ("hmac", Parameter::Secret("signature")),
];

const PARAMETER_PATTERNS: &[(&str, &str)] = &[
    ("csrf", "csrf-token"),
    ("xsrf", "csrf-token"),
    ("password", "password"),
    ("passwd", "password"),
    ("secret", "secret"),
    ("apikey", "api-key"),
    ("privatekey", "secret"),
    ("sessionid", "session"),
    ("token", "token"),
];

/// A token of these is a place in a list, nobody's secret: `page_token`, `next-token`.
const PAGING: &[&str] = &["page", "next", "prev", "continu", "sync", "cursor"];

/// Below this a value of `key` or `code` is a word, a place in a list, a country.
const PERHAPS_BYTES_MIN: usize = 16;

/// As much of a parameter's name as is looked at, counted from its end, where the telling word stands.
const NAME_BYTES_MAX: usize = 64;

impl Parameter {
    /// By its name as it stands: in any case, percent-encoded, with the brackets of a list or of a field.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        if name.eq_ignore_ascii_case(b"_method") {
            return Self::MethodOverride;
        }
        let mut text = [0_u8; NAME_BYTES_MAX];
        let name = normal(name, &mut text);
        if name.len() < 3 {
            return Self::Ordinary;
        }
        if let Some((_, parameter)) = PARAMETERS.iter().find(|(known, _)| known.as_bytes() == name) {
            return *parameter;
        }
        match PARAMETER_PATTERNS.iter().find(|(part, _)| contains(name, part)) {
            Some(("token", _)) if PAGING.iter().any(|part| contains(name, part)) => Self::Ordinary,
            Some((_, kind)) => Self::Secret(kind),
            None => Self::Ordinary,
        }
    }

    /// The kind under which a value is masked, if it is to be masked.
    #[must_use]
    pub fn masked_as(self, value: &[u8]) -> Option<&'static str> {
        match self {
            Self::Ordinary | Self::MethodOverride => None,
            Self::Token => Some("token"),
            Self::Session => Some("session"),
            Self::ApiKey => Some("api-key"),
            Self::PerhapsApiKey => (value.len() >= PERHAPS_BYTES_MIN).then_some("api-key"),
            Self::AwsCredential => Some("aws-sigv4"),
            Self::SharedAccessSignature => Some("signature"),
            Self::Password => Some("password"),
            Self::ClientSecret => Some("secret"),
            Self::Secret(kind) => Some(kind),
            Self::PerhapsSecret(kind) => (value.len() >= PERHAPS_BYTES_MIN).then_some(kind),
        }
    }
}

/// How likely a cookie of that name is the session: the lower the more; `None`: it is something else.
#[must_use]
pub fn session_cookie(name: &[u8]) -> Option<u8> {
    const EXACT: &[&str] = &[
        "sid",
        "session",
        "sessionid",
        "session_id",
        "sess",
        "sessid",
        "jsessionid",
        "phpsessid",
        "connect.sid",
        "koa.sess",
        "rack.session",
        "asp.net_sessionid",
        ".aspxauth",
        ".aspnetcore.cookies",
        ".aspnetcore.identity.application",
        "laravel_session",
        "ci_session",
        "_session_id",
        "cfid",
    ];
    let name = name.strip_prefix(b"__Host-").or_else(|| name.strip_prefix(b"__Secure-")).unwrap_or(name);
    if EXACT.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
        return Some(0);
    }
    if contains(name, "csrf") || contains(name, "xsrf") {
        return None;
    }
    if contains(name, "sess") || ends_with(name, ".sid") || ends_with(name, "_sid") {
        return Some(1);
    }
    ["jwt", "token", "auth"].iter().any(|part| contains(name, part)).then_some(2)
}

/// Lower case, percent-decoded, without `_`, `-`, `.`; of `user[token]` and `token[]` the token.
fn normal<'a>(name: &[u8], text: &'a mut [u8; NAME_BYTES_MAX]) -> &'a [u8] {
    let decoded = DecodedPercent(name.get(name.len().saturating_sub(NAME_BYTES_MAX)..).unwrap_or(name));
    let mut length = 0;
    for byte in decoded {
        match byte {
            b'_' | b'-' | b'.' | b']' => {}
            _ => {
                if let Some(place) = text.get_mut(length) {
                    *place = byte.to_ascii_lowercase();
                    length += 1;
                }
            }
        }
    }
    let text = text.get(..length).unwrap_or_default();
    text.rsplit(|&byte| byte == b'[').find(|part| !part.is_empty()).unwrap_or_default()
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

fn ends_with(text: &[u8], part: &str) -> bool {
    text.last_chunk::<4>().is_some_and(|last| last.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_finding_is_masked() {
        let shown: Vec<_> = crate::sensitive::name::parameter_names()
            .filter(|name| Parameter::of(name.as_bytes()) == Parameter::Ordinary)
            .collect();
        assert_eq!(shown, Vec::<&str>::new());
    }

    #[test]
    fn headers_by_name_and_by_pattern() {
        for (name, expected) in [
            ("HOST", Header::Host),
            ("Authorization", Header::Authorization),
            ("X-Api-Key", Header::ApiKey),
            ("X-Acme-Session-Token", Header::Secret("session")),
            ("X-CSRF-Token", Header::Secret("csrf-token")),
            ("X-Forwarded-Authorization", Header::Secret("authorization")),
            ("X-Auth-Request", Header::Secret("authorization")),
            ("X-Author", Header::Ordinary),
            ("X-Authenticated-User", Header::Ordinary),
            ("WWW-Authenticate", Header::Challenge),
            ("Sec-WebSocket-Key", Header::Ordinary),
            ("Idempotency-Key", Header::Ordinary),
            ("", Header::Invalid),
            ("Authorization Bearer s3cret", Header::Invalid),
            ("X-Na\u{ef}ve", Header::Invalid),
        ] {
            assert_eq!(Header::of(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn parameters_in_every_spelling() {
        for (name, expected) in [
            ("api_key", Parameter::ApiKey),
            ("apiKey", Parameter::ApiKey),
            ("api%5Fkey", Parameter::ApiKey),
            ("api-key[]", Parameter::ApiKey),
            ("user[password]", Parameter::Password),
            ("user%5Bpassword%5D", Parameter::Password),
            ("X-Amz-Credential", Parameter::AwsCredential),
            ("new_password_confirmation", Parameter::Secret("password")),
            ("device_token", Parameter::Secret("token")),
            ("next_page_token", Parameter::Ordinary),
            ("_method", Parameter::MethodOverride),
            ("page", Parameter::Ordinary),
            ("q", Parameter::Ordinary),
            ("", Parameter::Ordinary),
        ] {
            assert_eq!(Parameter::of(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(Parameter::of(&[b'a'; 500]), Parameter::Ordinary);
        assert_eq!(Parameter::of(&[[b'a'; 500].as_slice(), b"_token"].concat()), Parameter::Secret("token"));
    }

    #[test]
    fn a_short_key_or_code_is_a_word() {
        assert_eq!(Parameter::of(b"key").masked_as(b"name"), None);
        assert_eq!(
            Parameter::of(b"key").masked_as(b"AIzaSyA1234567890abcdefghijklmnopqrstuv"),
            Some("api-key")
        );
        assert_eq!(Parameter::of(b"code").masked_as(b"DE"), None);
        assert_eq!(Parameter::of(b"pin").masked_as(b"1234"), Some("code"));
    }

    #[test]
    fn session_cookies() {
        assert_eq!(session_cookie(b"JSESSIONID"), Some(0));
        assert_eq!(session_cookie(b"__Host-sid"), Some(0));
        assert_eq!(session_cookie(b"SSESS0123"), Some(1));
        assert_eq!(session_cookie(b"access_token"), Some(2));
        assert_eq!(session_cookie(b"XSRF-TOKEN"), None);
        assert_eq!(session_cookie(b"theme"), None);
    }
}
