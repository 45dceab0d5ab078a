//! The rows of sign-ins, in the order in which the writer writes their fields.

use super::row::Provenance::{Google, Project};
use super::row::{Row, Setter, Source};
use crate::detail::Text;
use crate::record::Field;

pub(super) const SIGN_IN_ROWS: &[Row] = &[
    Row {
        source: Source::Field(Field::Type),
        path: "metadata.productEventType",
        rule: "verbatim",
        example: ("Sign in", "Sign in"),
        basis: Project,
        put: Setter::Text(|event, value| event.metadata.product_event_type = Some(value)),
    },
    Row {
        source: Source::Field(Field::Version),
        path: "metadata.productVersion",
        rule: "verbatim, unless it is -",
        example: ("5.9.1.2581", "5.9.1.2581"),
        basis: Google,
        put: Setter::Text(|event, value| event.metadata.product_version = Some(value)),
    },
    Row {
        source: Source::Field(Field::IpAddress),
        path: "additional.ip_address",
        rule: "verbatim, if it is not an IP address",
        example: ("unknown", "unknown"),
        basis: Project,
        put: Setter::Text(|event, value| event.additional.push(("ip_address", value))),
    },
    Row {
        source: Source::Field(Field::ClientType),
        path: "additional.client_type",
        rule: "verbatim",
        example: ("Browser", "Browser"),
        basis: Google,
        put: Setter::Text(|event, value| event.additional.push(("client_type", value))),
    },
    Row {
        source: Source::Field(Field::Type),
        path: "additional.type",
        rule: "verbatim",
        example: ("Sign out", "Sign out"),
        basis: Google,
        put: Setter::Text(|event, value| event.additional.push(("type", value))),
    },
    Row {
        source: Source::Field(Field::IpAddress),
        path: "principal.ip",
        rule: "trimmed, if it is an IPv4 or IPv6 address",
        example: ("192.0.2.8", "192.0.2.8"),
        basis: Google,
        put: Setter::Element(|event, value| event.principal.ip = Some(value)),
    },
    Row {
        source: Source::Field(Field::IpAddress),
        path: "principal.asset.ip",
        rule: "the same",
        example: ("2001:db8::8", "2001:db8::8"),
        basis: Google,
        put: Setter::Element(|event, value| event.principal.asset_ip = Some(value)),
    },
    Row {
        source: Source::Field(Field::Email),
        path: "target.user.emailAddresses",
        rule: "trimmed, if the entire value is an e-mail address",
        example: (" a@x.io", "a@x.io"),
        basis: Project,
        put: Setter::Element(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Source::Field(Field::Email),
        path: "target.user.userid",
        rule: "trimmed, if it is not an e-mail address",
        example: ("ann", "ann"),
        basis: Project,
        put: Setter::Text(|event, value| event.target.user.userid = Some(Text::Borrowed(value))),
    },
];
