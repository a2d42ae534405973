"""The promises S1 to S53 of the product, and the tests that prove each. `test_promises.py` checks the names.

A promise that is proven in a browser as well names its journey first.
"""

from __future__ import annotations

_STORY = "journeys/test_whole_story.py::test_request_ticket_answer_and_the_answer_to_it"
_ADMIN = "journeys/test_channel_promises.py"
_OWN = f"{_ADMIN}::test_an_own_mailbox_from_the_form_to_the_ticket_and_the_answer"
_STANDARD = f"{_ADMIN}::test_a_standard_address_serves_in_and_out"
_ONCE = f"{_ADMIN}::test_an_id_and_an_address_stand_once"
_PLACE = f"{_ADMIN}::test_the_place_the_button_and_the_row"
_DEFAULT = f"{_ADMIN}::test_the_default_address_stays"
_SECRET = f"{_ADMIN}::test_a_password_never_comes_back"
_HELP = f"{_ADMIN}::test_help_is_one_click_from_the_form"
_FORM = "journeys/test_channel_form.py::test_ports_and_user_follow_until_a_person_typed_them"
_WAY_2 = "desk/checks/test_forward_probe.py::test_the_check_comes_back_and_becomes_no_ticket"

PROMISES: dict[str, tuple[str, ...]] = {
    # Addresses
    "S1": ("desk/agents/test_accounts.py::test_the_account_begins_with_its_default_address_and_its_first_administrator",),
    "S2": ("mail/reading/test_addresses.py::test_company",),
    "S3": (_STORY, "desk/test_story_of_a_mail.py::test_a_request_becomes_a_ticket_and_everybody_hears"),
    "S4": (_STANDARD, "blueprints/channels/test_channels.py::test_the_list_has_pages_and_a_search"),
    "S5": (_STANDARD, "desk/channels/test_channels.py::test_the_receiver_takes_mail_for_standard_addresses"),
    "S6": (_OWN, _WAY_2),
    # Way 1: connect the mailbox
    "S7": (_HELP, "blueprints/test_help.py::test_the_form_explains_both_ways"),
    "S8": (_STORY, _OWN, "desk/receiving/test_fetching.py::test_fetched_filed_and_then_deleted"),
    "S9": (_STORY, _OWN, "desk/channels/test_channels.py::test_an_own_channel_leaves_by_its_own_server"),
    "S10": (_STORY, _OWN),
    "S11": (_OWN, "blueprints/channels/test_channel_discovery.py::test_servers_ports_and_user_are_filled_in"),
    "S12": (_OWN, "desk/receiving/test_fetching.py::test_read_mail_is_left_alone_at_first_and_taken_later"),
    "S13": (_STORY, "desk/receiving/test_fetching.py::test_fetched_filed_and_then_deleted"),
    "S14": ("desk/receiving/test_fetching.py::test_another_uidvalidity_imports_nothing_twice",
            "desk/receiving/test_fetching.py::test_what_a_crash_left_on_the_server_is_removed_and_not_imported_again"),
    # Way 2: forward it
    "S15": (_WAY_2, "blueprints/channels/test_channels.py::test_the_form_shows_steps_question_and_check_of_a_forwarding"),
    "S16": ("desk/receiving/test_filing.py::test_from_is_the_requester_and_reply_to_only_where_to_answer", _WAY_2),
    "S17": ("desk/channels/test_channels.py::test_a_standard_channel_leaves_by_the_relay_or_not_at_all",),
    "S18": ("blueprints/test_help.py::test_the_form_explains_both_ways",),
    # Communication
    "S19": (_STORY,),
    "S20": (_STORY, "desk/test_story_of_a_mail.py::test_a_request_becomes_a_ticket_and_everybody_hears"),
    "S21": (_STORY, "desk/notices/test_notice_mails.py::test_each_can_be_switched_off_alone_and_on_again"),
    "S22": (_STORY, "desk/notices/test_notice_mails.py::test_each_can_be_switched_off_alone_and_on_again"),
    "S23": (_STORY,),
    "S24": (_STORY, "desk/test_story_of_a_mail.py::test_carols_answer_finds_its_ticket"),
    "S25": (_STORY,),
    # Administration
    "S26": (_ONCE, "desk/channels/test_channels.py::test_a_standard_address_is_checked"),
    "S27": (_PLACE,),
    "S28": (_PLACE,),
    "S29": (_PLACE, f"{_ADMIN}::test_from_the_list_to_the_bin_by_the_keyboard_alone"),
    "S30": (_ONCE, "desk/channels/test_channels.py::test_what_is_wrong_is_named_all_at_once"),
    "S31": (_ONCE,),
    "S32": (_STANDARD, "desk/channels/test_channels.py::test_the_receiver_takes_nothing_for_inactive_and_own_channels"),
    "S33": (_DEFAULT, "blueprints/channels/test_channels.py::test_the_default_channel_is_protected_by_the_server"),
    "S34": (_STANDARD, "journeys/test_channel_form.py::test_a_look_at_the_other_provider_loses_nothing"),
    "S35": (_STANDARD, "desk/channels/test_channels.py::test_a_standard_address_is_the_local_part_on_our_domain"),
    "S36": (_OWN, "desk/channels/test_channels.py::test_an_own_channel_gets_what_follows_from_the_rest"),
    "S37": (_OWN, _FORM),
    "S38": (_OWN,),
    "S39": (_OWN, _FORM, "desk/channels/test_channels.py::test_usual_ports_of_incoming_servers"),
    "S40": (_OWN, _FORM, "desk/channels/test_channels.py::test_without_ssl_it_is_starttls_and_plain_text_only_when_allowed"),
    "S41": (_OWN, "blueprints/channels/test_channels.py::test_the_user_name_follows_the_address_until_it_is_typed"),
    "S42": (_SECRET, f"{_ADMIN}::test_planted_passwords_are_found_nowhere",
            "desk/channels/test_channels.py::test_an_empty_password_keeps_the_stored_one"),
    "S43": (_OWN, "desk/checks/test_connection_tests.py::test_steps_are_there_as_they_are_taken"),
    "S44": (_OWN,),
    "S45": (_OWN, "desk/channels/test_channels.py::test_usual_ports_of_outgoing_servers"),
    "S46": (_OWN,),
    "S47": (_OWN, _SECRET),
    "S48": (_OWN, "wire/test_smtp.py::test_encryption_is_verified"),
    "S49": (_OWN, "wire/test_smtp.py::test_signing_in",
            "journeys/test_oauth_promises.py::test_from_the_provider_to_a_permission_that_ended"),
    "S50": (_OWN, "blueprints/channels/test_channels.py::test_an_own_channel_is_created_with_all_its_fields"),
    "S51": (f"{_ADMIN}::test_deleting_asks_and_the_tickets_stay",
            "desk/channels/test_channels.py::test_a_deleted_channel_leaves_its_tickets_and_frees_its_names"),
    "S52": (_DEFAULT, "desk/channels/test_channels.py::test_the_default_channel_is_neither_switched_off_nor_deleted"),
    "S53": (_HELP, "blueprints/test_help.py::test_agents_read_the_four_topics"),
}  # fmt: skip
