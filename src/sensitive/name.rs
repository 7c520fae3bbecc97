//! Names that say what stands beside them: which parameters of a query carry a credential, so surely that one in a URL is a
//! finding. What is masked is more than that, and stands in `credential/place.rs`; its tests hold that it is.
//!
//! Spelling is folded before the look-up: case and the separators
//! `-`, `_`, `.` don't count, so that `apiKey`, `api_key` and `API-Key` are one name. Matches are whole names,
//! never parts of one: `page_token`, `csrf_token` and `sort_key` are no credentials.

/// A password or a passphrase.
pub const PASSWORD: &str = "password";
/// A token that opens an API for whoever holds it.
pub const ACCESS_TOKEN: &str = "access-token";
/// A token that gets new access tokens.
pub const REFRESH_TOKEN: &str = "refresh-token";
/// A long-lived key of a client.
pub const API_KEY: &str = "api-key";
/// The secret half of a client's registration, or of a key pair.
pub const CLIENT_SECRET: &str = "client-secret";
/// Names a session.
pub const SESSION_ID: &str = "session-id";
/// Signs this one URL, mostly for a limited time: to be masked, but made to stand there.
pub const URL_SIGNATURE: &str = "url-signature";
/// Perhaps a credential: the name alone is also that of cursors, one-time links and form tokens.
pub const TOKEN: &str = "token";
/// Folded name → class, sorted by name.
const PARAMETERS: &[(&str, &str)] = &[
    ("accesskey", API_KEY),
    ("accesstoken", ACCESS_TOKEN),
    ("apikey", API_KEY),
    ("apipassword", PASSWORD),
    ("apisecret", CLIENT_SECRET),
    ("apitoken", API_KEY),
    ("appkey", API_KEY),
    ("appsecret", CLIENT_SECRET),
    ("auth", TOKEN),
    ("authkey", API_KEY),
    ("authorization", ACCESS_TOKEN),
    ("authtoken", ACCESS_TOKEN),
    ("bearer", ACCESS_TOKEN),
    ("bearertoken", ACCESS_TOKEN),
    ("clientsecret", CLIENT_SECRET),
    ("consumersecret", CLIENT_SECRET),
    ("idtoken", ACCESS_TOKEN),
    ("jsessionid", SESSION_ID),
    ("jwt", ACCESS_TOKEN),
    ("oauthtoken", ACCESS_TOKEN),
    ("ocpapimsubscriptionkey", API_KEY),
    ("passphrase", PASSWORD),
    ("passwd", PASSWORD),
    ("password", PASSWORD),
    ("phpsessid", SESSION_ID),
    ("privatekey", CLIENT_SECRET),
    ("privatetoken", ACCESS_TOKEN),
    ("pwd", PASSWORD),
    ("refreshtoken", REFRESH_TOKEN),
    ("secret", TOKEN),
    ("secretaccesskey", CLIENT_SECRET),
    ("secretkey", CLIENT_SECRET),
    ("securitytoken", TOKEN),
    ("sessid", SESSION_ID),
    ("sessionid", SESSION_ID),
    ("sessiontoken", ACCESS_TOKEN),
    ("sig", URL_SIGNATURE),
    ("signature", URL_SIGNATURE),
    ("subscriptionkey", API_KEY),
    ("token", TOKEN),
    ("userpassword", PASSWORD),
    ("xamzsecuritytoken", URL_SIGNATURE),
    ("xamzsignature", URL_SIGNATURE),
    ("xapikey", API_KEY),
    ("xauthtoken", ACCESS_TOKEN),
    ("xgoogsignature", URL_SIGNATURE),
];

/// The longest folded name in the table has 22 letters; whatever is longer is not in it.
const FOLDED_BYTES_MAX: usize = 32;

/// The class of credential that a query parameter (or a matrix parameter of a path) of that name carries.
///
/// [`URL_SIGNATURE`] and [`TOKEN`] are for masking first: neither is proof of a mistake.
#[must_use]
pub fn credential_parameter(name: &[u8]) -> Option<&'static str> {
    let mut folded = [0; FOLDED_BYTES_MAX];
    let mut len = 0;
    for byte in name.iter().filter(|byte| !matches!(byte, b'-' | b'_' | b'.')) {
        *folded.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    let folded = folded.get(..len)?;
    let place = PARAMETERS.binary_search_by(|(known, _)| known.as_bytes().cmp(folded)).ok()?;
    PARAMETERS.get(place).map(|(_, class)| *class)
}

/// All names in the table.
#[cfg(test)]
pub(crate) fn parameter_names() -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_folded() {
        assert!(PARAMETERS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, _) in PARAMETERS {
            assert!(name.len() <= FOLDED_BYTES_MAX && name.bytes().all(|b| b.is_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn spelling_does_not_count() {
        for name in ["api_key", "apiKey", "API-Key", "apikey", "api.key"] {
            assert_eq!(credential_parameter(name.as_bytes()), Some(API_KEY), "{name}");
        }
        assert_eq!(credential_parameter(b"X-Amz-Signature"), Some(URL_SIGNATURE));
    }

    #[test]
    fn parts_of_names_are_no_match() {
        for name in [
            "page_token",
            "next_token",
            "continuation_token",
            "csrf_token",
            "key",
            "sort_key",
            "tokens",
            "keyword",
            "password_reset",
            "",
            "author",
            "token_type",
            "x-amz-credential",
            "a_name_that_is_longer_than_any_name_of_a_credential",
        ] {
            assert_eq!(credential_parameter(name.as_bytes()), None, "{name}");
        }
    }
}
