//! The names of UDM fields in JSON, each with its colon and the start of its value.

use super::case::{Case, snake, snake_len};

/// Spells the names in a text in `snake_case`, at compile time.
macro_rules! snake_case {
    ($camel:expr) => {{
        const BYTES: [u8; snake_len($camel)] = snake($camel);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => "",
        }
    }};
}

pub(super) use snake_case;

/// Declares each name once, in lowerCamelCase: a constant of [`FieldNames`], which [`Snake`] spells in `snake_case`.
macro_rules! names {
    ($($constant:ident $camel:literal $opener:literal)*) => {
        /// The field names in one spelling.
        pub(crate) trait FieldNames {
            /// The spelling.
            const CASE: Case;
            $(const $constant: &str;)*
        }

        /// lowerCamelCase, as Google's tools write it.
        pub(crate) struct Camel;

        impl FieldNames for Camel {
            const CASE: Case = Case::Camel;
            $(const $constant: &str = concat!("\"", $camel, "\":", $opener);)*
        }

        /// `snake_case`, as in the proto definition.
        pub(crate) struct Snake;

        impl FieldNames for Snake {
            const CASE: Case = Case::Snake;
            $(const $constant: &str = snake_case!(Camel::$constant);)*
        }
    };
}

names! {
    ADDITIONAL "additional" "{"
    LOG_TYPE "logType" "\""
    PRODUCT_NAME "productName" "\""
    VENDOR_NAME "vendorName" "\""
    PRODUCT_EVENT_TYPE "productEventType" "\""
    PRODUCT_VERSION "productVersion" "\""
    PRODUCT_LOG_ID "productLogId" "\""
    DESCRIPTION "description" "\""
    INGESTION_LABELS "ingestionLabels" "["
    PRINCIPAL "principal" "{"
    TARGET "target" "{"
    ABOUT "about" "["
    NAMESPACE "namespace" "\""
    LOCATION "location" "{"
    NAME "name" "\""
    USER "user" "{"
    GROUP "group" "{"
    GROUP_DISPLAY_NAME "groupDisplayName" "\""
    PRODUCT_OBJECT_ID "productObjectId" "\""
    RESOURCE "resource" "{"
    IP "ip" "[\""
    ASSET "asset" "{"
    USERID "userid" "\""
    EMAIL_ADDRESSES "emailAddresses" "[\""
    ATTRIBUTE "attribute" "{"
    ROLES "roles" "["
    LABELS "labels" "["
    SRC "src" "{"
    APPLICATION "application" "\""
    RESOURCE_TYPE "resourceType" "\""
    RESOURCE_SUBTYPE "resourceSubtype" "\""
    USER_AUTHENTICATION_STATUS "userAuthenticationStatus" "\""
    SECURITY_RESULT "securityResult" "[{"
    DETECTION_FIELDS "detectionFields" "["
    SUMMARY "summary" "\""
    CATEGORY_DETAILS "categoryDetails" "[\""
    ACTION "action" "[\""
    EXTENSIONS "extensions" "{"
    AUTH "auth" "{"
    MECHANISM "mechanism" "[\""
    READ_ONLY_UDM "readOnlyUdm" ""
}
