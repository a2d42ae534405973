"""Tables, the rules of one row, the blob store. Importing this package registers every table."""

from models.account import Account, Counter, Lease
from models.agent import Agent, Role
from models.base import db, now
from models.blocked import BlockedSender
from models.channel import AfterFetch, Channel, ChannelAlias, Existing, Protocol, Provider
from models.contact import Contact
from models.dkim import DkimKey
from models.group import AgentGroup, GroupMember
from models.health import BRAKES, Ending, FetchRecord, Incident, Trouble
from models.inbound import InboundEvent, InboundMail, LedgerCount, Outcome, RawMail, ServerCopy
from models.inbound import State as InboundState
from models.mail_design import MailDesign
from models.message import Attachment, Draft, Kind, Message
from models.notice import Bell, NoticeItem, NoticeSilence, NoticeSwitch, NoticeText, RequesterLanguage
from models.oauth import OauthGrant, OauthKind, OauthProvider, OauthSignIn
from models.outbound import MailState, OutboundMail, OutboundRecipient, RecipientState
from models.ticket import Priority, Status, Ticket, TicketEvent, TicketMove, TicketSeen

__all__ = [
    "BRAKES",
    "Account",
    "AfterFetch",
    "Agent",
    "AgentGroup",
    "Attachment",
    "Bell",
    "BlockedSender",
    "Channel",
    "ChannelAlias",
    "Contact",
    "Counter",
    "DkimKey",
    "Draft",
    "Ending",
    "Existing",
    "FetchRecord",
    "GroupMember",
    "InboundEvent",
    "InboundMail",
    "InboundState",
    "Incident",
    "Kind",
    "Lease",
    "LedgerCount",
    "MailDesign",
    "MailState",
    "Message",
    "NoticeItem",
    "NoticeSilence",
    "NoticeSwitch",
    "NoticeText",
    "OauthGrant",
    "OauthKind",
    "OauthProvider",
    "OauthSignIn",
    "OutboundMail",
    "OutboundRecipient",
    "Outcome",
    "Priority",
    "Protocol",
    "Provider",
    "RawMail",
    "RecipientState",
    "RequesterLanguage",
    "Role",
    "ServerCopy",
    "Status",
    "Ticket",
    "TicketEvent",
    "TicketMove",
    "TicketSeen",
    "Trouble",
    "db",
    "now",
]
