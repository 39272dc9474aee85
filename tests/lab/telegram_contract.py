"""The part of the public Bot API description that the stand-in implements.

Source: the Bot API, version 10.1 of June 11, 2026 (https://core.telegram.org/bots/api), in the machine-readable form of
PaulSonOfLars/telegram-bot-api-spec (api.json). Methods are complete; large types have only the fields used here. A field is
`name:type`, `*` an array of it, `|` a choice, `!` required.
"""

from dataclasses import dataclass
from typing import Final

VERSION: Final = "10.1"

METHODS: Final = {
    "getMe": "",
    "getUpdates": "offset:Integer limit:Integer timeout:Integer allowed_updates:*String",
    "setWebhook": (
        "url:String! certificate:InputFile ip_address:String max_connections:Integer allowed_updates:*String "
        "drop_pending_updates:Boolean secret_token:String"
    ),
    "deleteWebhook": "drop_pending_updates:Boolean",
    "getWebhookInfo": "",
    "sendMessage": (
        "business_connection_id:String chat_id:Integer|String! message_thread_id:Integer "
        "direct_messages_topic_id:Integer text:String! parse_mode:String entities:*MessageEntity "
        "link_preview_options:LinkPreviewOptions disable_notification:Boolean protect_content:Boolean "
        "allow_paid_broadcast:Boolean message_effect_id:String "
        "suggested_post_parameters:SuggestedPostParameters reply_parameters:ReplyParameters "
        "reply_markup:InlineKeyboardMarkup|ReplyKeyboardMarkup|ReplyKeyboardRemove|ForceReply"
    ),
    "sendDocument": (
        "business_connection_id:String chat_id:Integer|String! message_thread_id:Integer "
        "direct_messages_topic_id:Integer document:InputFile|String! thumbnail:InputFile|String "
        "caption:String parse_mode:String caption_entities:*MessageEntity "
        "disable_content_type_detection:Boolean disable_notification:Boolean protect_content:Boolean "
        "allow_paid_broadcast:Boolean message_effect_id:String "
        "suggested_post_parameters:SuggestedPostParameters reply_parameters:ReplyParameters "
        "reply_markup:InlineKeyboardMarkup|ReplyKeyboardMarkup|ReplyKeyboardRemove|ForceReply"
    ),
    "getFile": "file_id:String!",
    "answerCallbackQuery": "callback_query_id:String! text:String show_alert:Boolean url:String cache_time:Integer",
}

TYPES: Final = {
    "Update": (
        "update_id:Integer! message:Message edited_message:Message channel_post:Message "
        "callback_query:CallbackQuery my_chat_member:ChatMemberUpdated"
    ),
    "Message": (
        "message_id:Integer! from:User date:Integer! chat:Chat! forward_origin:MessageOrigin "
        "reply_to_message:Message edit_date:Integer media_group_id:String text:String entities:*MessageEntity "
        "animation:Animation audio:Audio document:Document photo:*PhotoSize sticker:Sticker video:Video "
        "video_note:VideoNote voice:Voice caption:String caption_entities:*MessageEntity contact:Contact "
        "dice:Dice venue:Venue location:Location new_chat_members:*User "
        "pinned_message:MaybeInaccessibleMessage reply_markup:InlineKeyboardMarkup"
    ),
    "User": (
        "id:Integer! is_bot:Boolean! first_name:String! last_name:String username:String language_code:String "
        "is_premium:Boolean added_to_attachment_menu:Boolean can_join_groups:Boolean "
        "can_read_all_group_messages:Boolean supports_guest_queries:Boolean supports_inline_queries:Boolean "
        "can_connect_to_business:Boolean has_main_web_app:Boolean has_topics_enabled:Boolean "
        "allows_users_to_create_topics:Boolean can_manage_bots:Boolean supports_join_request_queries:Boolean"
    ),
    "Chat": (
        "id:Integer! type:String! title:String username:String first_name:String last_name:String "
        "is_forum:Boolean is_direct_messages:Boolean"
    ),
    "PhotoSize": "file_id:String! file_unique_id:String! width:Integer! height:Integer! file_size:Integer",
    "Voice": "file_id:String! file_unique_id:String! duration:Integer! mime_type:String file_size:Integer",
    "Audio": (
        "file_id:String! file_unique_id:String! duration:Integer! performer:String title:String "
        "file_name:String mime_type:String file_size:Integer thumbnail:PhotoSize"
    ),
    "Video": (
        "file_id:String! file_unique_id:String! width:Integer! height:Integer! duration:Integer! "
        "thumbnail:PhotoSize cover:*PhotoSize start_timestamp:Integer qualities:*VideoQuality "
        "file_name:String mime_type:String file_size:Integer"
    ),
    "VideoNote": (
        "file_id:String! file_unique_id:String! length:Integer! duration:Integer! thumbnail:PhotoSize file_size:Integer"
    ),
    "Animation": (
        "file_id:String! file_unique_id:String! width:Integer! height:Integer! duration:Integer! "
        "thumbnail:PhotoSize file_name:String mime_type:String file_size:Integer"
    ),
    "Document": (
        "file_id:String! file_unique_id:String! thumbnail:PhotoSize file_name:String mime_type:String file_size:Integer"
    ),
    "Contact": "phone_number:String! first_name:String! last_name:String user_id:Integer vcard:String",
    "Location": (
        "latitude:Float! longitude:Float! horizontal_accuracy:Float live_period:Integer heading:Integer "
        "proximity_alert_radius:Integer"
    ),
    "Venue": (
        "location:Location! title:String! address:String! foursquare_id:String foursquare_type:String "
        "google_place_id:String google_place_type:String"
    ),
    "Sticker": (
        "file_id:String! file_unique_id:String! type:String! width:Integer! height:Integer! "
        "is_animated:Boolean! is_video:Boolean! emoji:String set_name:String file_size:Integer"
    ),
    "CallbackQuery": (
        "id:String! from:User! message:MaybeInaccessibleMessage inline_message_id:String "
        "chat_instance:String! data:String game_short_name:String"
    ),
    "File": "file_id:String! file_unique_id:String! file_size:Integer file_path:String",
    "MessageEntity": "type:String! offset:Integer! length:Integer! url:String user:User language:String",
    "MessageOriginUser": "type:String! date:Integer! sender_user:User!",
    "ChatMemberUpdated": "chat:Chat! from:User! date:Integer! old_chat_member:ChatMember! new_chat_member:ChatMember!",
    "WebhookInfo": (
        "url:String! has_custom_certificate:Boolean! pending_update_count:Integer! ip_address:String "
        "last_error_date:Integer last_error_message:String last_synchronization_error_date:Integer "
        "max_connections:Integer allowed_updates:*String"
    ),
    "ResponseParameters": "migrate_to_chat_id:Integer retry_after:Integer",
    "InlineKeyboardMarkup": "inline_keyboard:**InlineKeyboardButton!",
    "InlineKeyboardButton": "text:String! url:String callback_data:String",
    "ReplyKeyboardMarkup": (
        "keyboard:**KeyboardButton! is_persistent:Boolean resize_keyboard:Boolean one_time_keyboard:Boolean "
        "input_field_placeholder:String selective:Boolean"
    ),
    "KeyboardButton": "text:String! request_contact:Boolean request_location:Boolean",
    "ReplyParameters": (
        "message_id:Integer! chat_id:Integer|String allow_sending_without_reply:Boolean quote:String "
        "quote_parse_mode:String quote_entities:*MessageEntity quote_position:Integer "
        "checklist_task_id:Integer poll_option_id:String"
    ),
}
_PRIMITIVES: Final[dict[str, tuple[type, ...]]] = {
    "Integer": (int,),
    "Float": (int, float),
    "String": (str,),
    "Boolean": (bool,),
    "InputFile": (bytes,),
}


@dataclass(frozen=True)
class Field:
    """One field of a method or type."""

    types: tuple[str, ...]
    required: bool


def fields(description: str) -> dict[str, Field]:
    """A parsed description."""
    found = {}
    for item in description.split():
        name, _, rest = item.partition(":")
        found[name] = Field(tuple(rest.removesuffix("!").split("|")), rest.endswith("!"))
    return found


def breaches(description: str, value: object, where: str) -> list[str]:
    """How an object violates its description, a sentence each; empty if it does not."""
    if not isinstance(value, dict):
        return [f"{where}: expected an object"]
    known = fields(description)
    found = [f"{where}.{name}: there is no such field" for name in value if name not in known]
    found += [f"{where}.{name}: missing" for name, field in known.items() if field.required and name not in value]
    for name, field in known.items():
        if name in value and not any(_fits(kind, value[name]) for kind in field.types):
            kinds = [kind for kind in field.types if kind in TYPES]
            inner = breaches(TYPES[kinds[0]], value[name], f"{where}.{name}") if len(kinds) == 1 else []
            found += inner or [f"{where}.{name}: expected {' or '.join(field.types)}"]
    return found


def _fits(kind: str, value: object) -> bool:
    if kind.startswith("*"):
        return isinstance(value, list) and all(_fits(kind[1:], item) for item in value)
    if kind in _PRIMITIVES:
        return isinstance(value, _PRIMITIVES[kind]) and (kind == "Boolean" or not isinstance(value, bool))
    if kind in TYPES:
        return not breaches(TYPES[kind], value, kind)
    return isinstance(value, dict)  # a type not used here
