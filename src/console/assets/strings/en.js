/** English. `one|many`: the first form is for 1. Every language has the same keys. */
export default {
  "library": "Library", "search": "Search", "duplicates": "Duplicates", "state": "State", "image": "Image", "compare": "Compare",
  "navigation": "Screens", "language": "Language", "theme": "Dark or light", "skip": "Skip to the content", "sign_out": "Sign out",
  "cancel": "Cancel", "close": "Close", "save": "Save", "add": "Add", "delete": "Delete", "edit": "Edit", "back": "Back", "copy": "Copy", "copied": "Copied.", "stop": "Stop",
  "yes": "yes", "no": "no", "none": "none", "loading": "Loading…", "failed": "This did not work", "try_again": "Try again", "request_id": "Request id:",

  "sign_in": "Sign in", "api_key": "API key", "api_key_hint": "The key of your tenant. It is sent with each call and never stored on disk.", "keep_key": "Remember it in this tab, until the tab is closed",
  "read_only": "This key may search and list, and change nothing.", "read_only_short": "Read only",
  "unreachable": "The gateway cannot be reached. Trying again…", "no_library": "This key has no library.",

  "images": "Images", "brief": "Brief", "no_brief": "No brief", "as_stored": "As stored", "tags": "Tags", "sign": "Sign", "score": "Score", "address": "Address",
  "size_of": "{count} of {capacity} image|{count} of {capacity} images", "at_vendor": "At the vendor",
  "all_images": "{n} image, newest first|{n} images, newest first", "found_images": "{n} image found|{n} images found", "found_so_far": "Newest first",
  "filter_brief": "Filter by brief", "other_tag": "Other tag", "tags_and": "all tags", "tags_or": "any tag", "tags_hint": "Up to two, each 1 to 65535", "tags_invalid": "Up to two numbers, each 1 to 65535.", "tag_logic": "How tags are combined",
  "brief_bytes": "{n} of 256 bytes", "brief_too_long": "A brief has up to 256 bytes, and this one has {n}.",
  "library_empty": "No images yet", "library_empty_hint": "Drop images here, or press Add.", "library_empty_read": "There is nothing to see so far.", "nothing_found": "Nothing found", "nothing_found_hint": "No image has these tags and this text in its brief.",
  "cannot_list": "This library cannot be browsed", "cannot_list_why": "It is at the vendor, whose API can neither list images nor return them. Adding and searching work as usual.",
  "selection": "Selected images", "selected": "{n} selected", "clear_selection": "Clear the selection", "too_many_selected": "Up to {n} images can be selected at once.",
  "set_tags": "Set tags", "set_tags_note": "These tags replace those of the image; none removes them.|These tags replace those of {n} images; none removes them.",
  "set_brief": "Replace brief", "set_brief_note": "This replaces the brief of the image.|This replaces the briefs of {n} images.", "changed_images": "{n} image changed.|{n} images changed.",
  "delete_images": "Delete this image?|Delete {n} images?", "delete_n": "Delete|Delete {n}", "delete_warning": "This cannot be undone: the gateway keeps no copy.", "deleting": "Deleting", "deleted_images": "{n} image deleted.|{n} images deleted.", "and_more": "and {n} more", "batch_of": "{n} images from {name}",
  "add_images": "Add this image|Add {n} images", "adding": "Adding", "added_images": "{n} image added.|{n} images added.", "brief_is_name": "Name of the file", "brief_is_name_hint": "Left empty, each image gets the name of its file.", "existed_already": "is in the library already", "same_as": "is the same as {name}|is the same as {name}, and {n} in all",
  "bulk_progress": "{done} of {all}", "bulk_done": "{n} done.", "bulk_failed": "{n} failed.", "bulk_left": "{n} not tried.", "bulk_retry": "Try the other one again|Try the other {n} again",
  "not_an_image": "{name} is no image that the gateway can read ({type}).", "too_large": "{name} has {size}; the gateway takes {max}, and the browser cannot scale it down.", "scaled_down": "{name} was scaled down from {size} to {now}, {side} pixels on its longer side.",

  "find_copies": "Find copies", "is_thumbnail": "Thumbnail of 256 pixels", "sides": "Sides", "pixels": "{width} × {height} pixels", "file_size": "File size", "added": "Added", "saved": "Saved.",
  "changed_elsewhere": "It was changed elsewhere", "changed_elsewhere_text": "Since you opened it, someone else changed this image. It is now:", "overwrite": "Replace their change",

  "query": "Query", "matches": "Matches", "stored": "Stored image", "search_hint": "Drop or paste an image here, or", "choose_file": "Choose a file", "camera": "Camera", "from_url": "From an address", "from_url_note": "The gateway fetches the image; your browser does not.", "url_not_shown": "The browser does not fetch this address, so it is not shown.",
  "pasted": "pasted image", "photograph": "photograph.jpg", "take_photo": "Take the photograph", "no_camera": "There is no camera that this page may use.", "searching": "Searching…", "results_here": "Matches appear here.",
  "least_score": "Least score", "only_tags": "Only with tags", "matches_n": "{n} match|{n} matches", "there_are_more": "and more", "no_match": "No match", "no_match_hint": "No stored image is the same as this one, as a whole or in part.", "no_match_above": "The match is below the least score.|All {n} matches are below the least score.", "add_it": "Add it to the library",
  "overlap_is": "shows {share} of it", "agreement_is": "pixels agree by {share}",

  "comparing": "Comparing…", "nothing_to_compare": "Nothing to compare", "nothing_to_compare_hint": "Search first and choose Compare at a match, or select two images of the library.", "view": "View", "view_side": "Side by side", "view_overlay": "Overlay", "view_blink": "Blink", "view_difference": "Difference", "opacity": "Opacity",
  "same_as_whole": "the same as a whole", "not_same": "Not the same image", "no_geometry": "There is no part of one that was found in the other.", "query_not_shown": "The query cannot be shown by the browser.", "hash_distance": "{n} of 256 bits of the hashes differ",
  "mirrored": "mirrored", "turned_right": "turned right by {angle}°", "turned_left": "turned left by {angle}°", "smaller": "scaled to {scale}", "larger": "enlarged to {scale}", "shows": "{share} of the stored image",

  "duplicates_title": "Images that are the same", "duplicates_hint": "The gateway compares all images with each other. Groups appear while it works; you may leave and find again later.", "cannot_find_duplicates": "This library cannot be searched for duplicates", "find_duplicates": "Find duplicates", "find_again": "Go on", "running": "Comparing…", "progress": "Compared images",
  "no_duplicates": "No duplicates", "no_duplicates_hint": "No two images of the library are the same.", "all_resolved": "All groups are resolved", "compared": "{compared} of {total} images compared", "groups_open": "{n} group, {open} undecided|{n} groups, {open} undecided", "group_of": "{n} image|{n} images", "undecided": "undecided", "accepted": "accepted", "not_the_same": "Not the same", "accept": "Accept", "accept_all": "Accept all", "keep": "Keep", "nothing_left": "Nothing of this group would be left", "review_delete": "Review and delete ({n})",
  "summary_of": "{n} image of {groups} groups, {size} of files. The kept images stay as they are.|{n} images of {groups} groups, {size} of files. The kept images stay as they are.", "groups_emptied": "Of {n} group nothing would be left.|Of {n} groups nothing would be left.",

  "gateway": "Gateway", "version": "Version", "started": "Started", "tenant": "Tenant", "configuration": "Configuration", "config_ok": "in use", "config_failed": "the last reload failed; the previous one is in use", "config_time": "Read", "quota": "Quota", "no_quota": "no limits",
  "quota_rate": "Requests per second", "quota_burst": "At once", "quota_day": "Requests today", "quota_bytes": "Bytes per second", "quota_concurrent": "At the same time", "quota_rejected": "Rejected since the start",
  "libraries": "Libraries", "backend": "Backend", "backend.embedded": "embedded engine", "backend.rest": "the vendor's API", "size": "Size", "storage": "Storage", "storage_failing": "failing", "credentials": "Credentials",
  "credential_name": "Credential", "credential_breaker": "Circuit breaker", "credential_queue": "Queue", "credential_token_age": "Token age", "credential_slots": "Free slots", "credential_cooldown": "Cool-down", "credential_succeeded": "Succeeded", "credential_failed": "Failed", "breaker_closed": "closed", "breaker_open": "open", "breaker_half_open": "half open", "seconds": "{n} s",
  "last_calls": "Last calls", "errors_only": "Only errors", "call_time": "Time", "call_method": "Method", "call_library": "Library", "call_code": "Code", "call_reason": "Reason", "call_ms": "ms", "call_log_id": "log_id",

  "keys": "Keys", "keys_here": "On this screen", "keys_everywhere": "On every screen", "keys_single": "Single keys work (switch off if you dictate)",
  "key_help": "These keys", "key_filter": "Filter", "key_move": "Move", "key_extend": "Extend the selection", "key_select": "Select", "key_open": "Open", "key_all": "Select all", "key_clear": "Clear the selection", "key_tags": "Set tags", "key_brief": "Replace brief", "key_delete": "Delete", "key_copies": "Find copies", "key_edit": "Edit", "key_back": "Back", "key_file": "Choose a file", "key_camera": "Camera", "key_url": "From an address", "key_paste": "Paste an image", "key_next": "Next match", "key_previous": "Previous match", "key_compare": "Compare", "key_find": "Find duplicates", "key_next_group": "Next group", "key_previous_group": "Previous group", "key_next_image": "Next image", "key_previous_image": "Previous image", "key_toggle_keep": "Keep or delete", "key_accept": "Accept", "key_different": "Not the same", "key_review": "Review and delete", "key_reload": "Read again",

  "error.UNREACHABLE": "The gateway cannot be reached.", "error.CREDENTIALS_MISSING": "An API key is needed.", "error.CREDENTIALS_INVALID": "The gateway does not know this key.", "error.CREDENTIALS_EXPIRED": "This token has expired: sign in with a new one.", "error.READ_ONLY_KEY": "This key may search and list, and change nothing.",
  "error.LIBRARY_NOT_FOUND": "There is no such library for this key.", "error.IMAGE_NOT_FOUND": "This image is not in the library any more.", "error.OVERLOADED": "The gateway is busy. Try again in a moment.", "error.OPERATION_UNSUPPORTED": "This library cannot do that.", "error.unauthenticated": "The gateway does not accept this key.", "error.unavailable": "The gateway or the vendor is not available.", "error.resource_exhausted": "A limit is reached.", "error.deadline_exceeded": "It took too long.",
};
