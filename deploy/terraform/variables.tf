# The same settings as the flags of setup.sh, with the same defaults. A test holds the two equal.

variable "project" {
  description = "Where everything is made"
  type        = string
}

variable "region" {
  description = "Of the service, the job, the schedule, and of buckets unless location says otherwise"
  type        = string
}

variable "image" {
  description = "The program's image, by digest or tag"
  type        = string
}

variable "bucket" {
  description = "The bucket of the raw records. One that is there already is imported: terraform import google_storage_bucket.data NAME"
  type        = string
}

variable "zoom_account_id" {
  description = "Of Zoom's Server-to-Server OAuth app"
  type        = string
}

variable "zoom_client_id" {
  description = "Of Zoom's Server-to-Server OAuth app"
  type        = string
}

variable "prefix" {
  description = "Where raw records go in the bucket; ends in a slash"
  type        = string
  default     = "zoom/operationlogs/"
}

variable "state_key" {
  description = "Where the collector keeps its state; not within prefix, where feeds read"
  type        = string
  default     = "zoom/collector/state.json"

  validation {
    condition     = !startswith(var.state_key, var.prefix)
    error_message = "The state must not lie where a feed reads, and may delete."
  }

  validation {
    condition     = !startswith(var.prefix, "${dirname(var.state_key)}/")
    error_message = "The data must not lie within the state's directory: anything may be replaced or removed there."
  }
}

variable "output_bucket" {
  description = "The bucket of the events, if not the same"
  type        = string
  default     = ""
}

variable "output_prefix" {
  description = "Where events go, with rejects and ledger beside; ends in a slash"
  type        = string
  default     = "zoom/udm/"

  validation {
    condition     = var.output_bucket != "" || !startswith(var.output_prefix, var.prefix) && !startswith(var.prefix, var.output_prefix)
    error_message = "Events and raw records must not lie within each other."
  }
}

variable "location" {
  description = "Of the buckets, if not the region"
  type        = string
  default     = ""
}

variable "name" {
  description = "What all names begin with: up to 20 small letters, digits and dashes"
  type        = string
  default     = "zoom-udm"
}

variable "schedule" {
  description = "When to collect, UTC"
  type        = string
  default     = "*/15 * * * *"
}

variable "notify" {
  description = "Each new object is ingested at once; hourly, what was missed"
  type        = bool
  default     = false
}

variable "tasks" {
  description = "Tasks of the backfill job"
  type        = number
  default     = 4

  validation {
    condition     = var.tasks >= 1 && var.tasks <= 16 && floor(var.tasks) == var.tasks
    error_message = "The service's first run makes a ledger of 16 parts, and tasks share it by parts: 1 to 16."
  }
}

variable "ingress" {
  description = "From where the service can be reached: INGRESS_TRAFFIC_INTERNAL_ONLY or INGRESS_TRAFFIC_ALL"
  type        = string
  default     = "INGRESS_TRAFFIC_INTERNAL_ONLY"
}

variable "feed_service_account" {
  description = "SecOps' account that may read the bucket"
  type        = string
  default     = ""
}
