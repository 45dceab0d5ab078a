# The same settings and defaults as the flags of setup.sh; a test compares the two.

variable "project" {
  description = "Project ID"
  type        = string
}

variable "region" {
  description = "Region of the service, the job and the schedule, and default location of created buckets"
  type        = string
}

variable "image" {
  description = "Container image, by digest or tag"
  type        = string
}

variable "bucket" {
  description = "Bucket of the raw records. To use an existing bucket: terraform import google_storage_bucket.data NAME"
  type        = string
}

variable "zoom_account_id" {
  description = "Account ID of Zoom's Server-to-Server OAuth app"
  type        = string
}

variable "zoom_client_id" {
  description = "Client ID of Zoom's Server-to-Server OAuth app"
  type        = string
}

variable "logs" {
  description = "Logs to collect: operation, or operation,sign-in"
  type        = string
  default     = "operation"

  validation {
    condition     = contains(["operation", "operation,sign-in"], var.logs)
    error_message = "The logs must be operation, or operation,sign-in."
  }
}

variable "prefix" {
  description = "Prefix of the raw operation logs in the bucket; ends in a slash. Sign-ins and webhooks are stored next to it, in signins/ (or NAME-signins/ next to another name than operationlogs/) and webhooks/"
  type        = string
  default     = "zoom/operationlogs/"

  validation {
    condition     = var.logs == "operation" && !var.webhook || dirname(trimsuffix(var.prefix, "/")) != "."
    error_message = "With sign-ins or webhooks, the prefix must have a parent directory, like zoom/operationlogs/."
  }
}

variable "state_key" {
  description = "Object name of the collector state; must be outside prefix, which feeds read"
  type        = string
  default     = "zoom/collector/state.json"

  validation {
    condition     = !startswith(var.state_key, var.prefix)
    error_message = "The state must be outside the prefix, because feeds read the prefix and may delete its objects."
  }

  validation {
    condition     = !startswith(var.prefix, "${dirname(var.state_key)}/")
    error_message = "The prefix must be outside the directory of the state, because the program may replace or delete objects there."
  }

  validation {
    condition     = var.logs == "operation" || !startswith(var.state_key, format("%s/%ssignins/", dirname(trimsuffix(var.prefix, "/")), basename(trimsuffix(var.prefix, "/")) == "operationlogs" ? "" : format("%s-", basename(trimsuffix(var.prefix, "/")))))
    error_message = "The state must be outside the prefix of sign-ins, which is next to prefix."
  }

  validation {
    condition     = !var.webhook || !startswith(var.state_key, format("%s/webhooks/", dirname(trimsuffix(var.prefix, "/"))))
    error_message = "The state must be outside the prefix of webhooks, which is webhooks/ next to prefix."
  }
}

variable "output_bucket" {
  description = "Bucket of the events; default: the bucket of the raw records"
  type        = string
  default     = ""
}

variable "output_prefix" {
  description = "Prefix of the events, with rejects and ledger next to it; ends in a slash"
  type        = string
  default     = "zoom/udm/"

  validation {
    condition     = var.output_bucket != "" || !startswith(var.output_prefix, var.prefix) && !startswith(var.prefix, var.output_prefix)
    error_message = "The prefixes of events and raw records must not contain each other."
  }

  validation {
    condition     = var.output_bucket != "" || var.logs == "operation" || !startswith(var.output_prefix, format("%s/%ssignins/", dirname(trimsuffix(var.prefix, "/")), basename(trimsuffix(var.prefix, "/")) == "operationlogs" ? "" : format("%s-", basename(trimsuffix(var.prefix, "/")))))
    error_message = "The prefix of events must be outside the prefix of sign-ins, which is next to prefix."
  }

  validation {
    condition     = var.output_bucket != "" || !var.webhook || !startswith(var.output_prefix, format("%s/webhooks/", dirname(trimsuffix(var.prefix, "/"))))
    error_message = "The prefix of events must be outside the prefix of webhooks, which is webhooks/ next to prefix."
  }
}

variable "location" {
  description = "Location of created buckets; default: the region"
  type        = string
  default     = ""
}

variable "name" {
  description = "Prefix of all resource names: up to 20 lower-case letters, digits and hyphens"
  type        = string
  default     = "zoom-udm"
}

variable "schedule" {
  description = "Collection schedule, UTC"
  type        = string
  default     = "*/15 * * * *"
}

variable "notify" {
  description = "Ingest new objects immediately, and missed ones hourly"
  type        = bool
  default     = false
}

variable "webhook" {
  description = "Create a second, public service that receives Zoom's webhooks"
  type        = bool
  default     = false
}

variable "client_secret_version" {
  description = "Version of the secret NAME-client-secret; set it to the new number after a rotation, which deploys a revision that reads it"
  type        = string
  default     = "latest"
}

variable "webhook_secret_version" {
  description = "Version of the secret NAME-webhook-secret; set it to the new number after a rotation, which deploys a revision that reads it"
  type        = string
  default     = "latest"
}

variable "tasks" {
  description = "Number of tasks of the backfill job, 1 to 16"
  type        = number
  default     = 4

  validation {
    condition     = var.tasks >= 1 && var.tasks <= 16 && floor(var.tasks) == var.tasks
    error_message = "The number of tasks must be an integer from 1 to 16, because the service creates a ledger of 16 partitions."
  }
}

variable "ingress" {
  description = "Ingress setting of the service: INGRESS_TRAFFIC_INTERNAL_ONLY or INGRESS_TRAFFIC_ALL"
  type        = string
  default     = "INGRESS_TRAFFIC_INTERNAL_ONLY"
}

variable "feed_service_account" {
  description = "SecOps service account that gets read access to the bucket"
  type        = string
  default     = ""
}
