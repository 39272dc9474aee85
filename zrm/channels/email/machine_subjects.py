"""Subject phrases of auto-responders and mail servers, in the languages of citizens' mail programs and servers.

Absence notes and read receipts begin with the program's words; these must end the subject or be followed by
punctuation, so that a complaint about an office that is "out of office all day" stays a complaint. Words that people
use for their own matters ("absence", "on leave", "read") count in an answer only. Failures are checked in mail servers'
mail only. Compared without case and accents: many programs drop them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from zrm.channels.email.headers import decode_words
from zrm.kit.text import clean_line, fold

_LONGEST: Final = 500


def plain(text: str) -> str:
    """A subject or words of one for comparison: folded, and without accents."""
    apart = unicodedata.normalize("NFD", fold(text).replace("ı", "i"))
    bare = "".join(character for character in apart if unicodedata.category(character) != "Mn")
    return " ".join(bare.split())


def _plain(*phrases: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(plain, phrases)))


_ANSWERS: Final = (
    "re", "aw", "antw", "antwort", "antwoord", "sv", "vs", "odp", "ynt", "yanit", "cvp", "ref", "rif", "res", "resp", "rsp", "r", "odg",
    "vast", "bls", "nv", "atb", "ats", "απ", "σχετ", "отв", "ответ", "на", "від", "відп", "回复", "回覆", "答复", "答覆", "返信", "답장", "회신",
    "پاسخ", "جواب", "رد", "השב", "תגובה",
)  # fmt: skip
_FORWARDS: Final = (
    "fw", "fwd", "wg", "tr", "rv", "enc", "vb", "vl", "pd", "i", "ilt", "tov", "továbbítás", "пересл", "転送", "转发", "轉寄", "전달",
    "ارجاع", "هدایت", "فوروارد", "إعادة توجيه", "הועבר",
)  # fmt: skip
# "Re: ", "AW[2]: "
_PREFIX: Final = r"(?:{})\s*(?:[\[(]\d{{1,4}}[\])])?\s*:\s*"
_ANSWER: Final = re.compile(_PREFIX.format("|".join(map(plain, _ANSWERS))))
_PASSED_ON: Final = re.compile(_PREFIX.format("|".join(map(plain, (*_ANSWERS, *_FORWARDS)))))
# "[EXTERNAL] ", "*** "
_MARKS: Final = re.compile(r"\[[^\[\]]{1,40}\]\s*|[\s*#<>\"'«»“”(\[_~=-]+")
_AFTER: Final = re.compile(r"\s*(?:$|[:\-–—|\[\](.!,;~*/\"'」】]|re\b)")
_MOST_BEFORE: Final = 6

_AWAY: Final = _plain(
    # English
    "Automatic reply", "Automatic response", "Automated reply", "Automated response", "Auto reply", "Autoreply", "Auto-reply",
    "Auto response", "Autoresponse", "Auto-response", "Autorespons", "Autoresponder", "Auto responder", "Automatically generated reply", "Out of office",
    "Out-of-office", "Out of the office", "Out of office reply", "Out of office autoreply", "Out of office auto-reply",
    "Out of office automatic reply", "Out of office message", "Out of office notification", "Out of office response", "OOO",
    "Away from the office", "Away from my mail", "Away from office", "Vacation reply", "Vacation response", "Vacation message",
    "Vacation notice", "Vacation autoreply", "Holiday autoreply", "On vacation autoreply", "I am out of the office", "I'm out of office",
    "I am currently out of the office",
    # German, Dutch
    "Automatische Antwort", "Autom. Antwort", "Automatische Rückantwort", "Automatische Abwesenheitsnotiz", "Abwesenheitsnotiz",
    "Abwesenheitsnachricht", "Abwesenheitsmeldung", "Abwesenheitsmitteilung", "Abwesenheitsassistent", "Abwesenheitsbenachrichtigung",
    "Außer Haus", "Nicht im Büro", "Ich bin nicht im Büro", "Urlaubsbenachrichtigung", "Automatische Eingangsbestätigung",
    "Automatisch antwoord", "Automatische reactie", "Afwezigheidsbericht", "Afwezigheidsmelding", "Afwezigheidsassistent",
    "Niet aanwezig", "Niet op kantoor", "Buiten kantoor", "Automatische beantwoording",
    # French, Italian, Spanish, Catalan, Portuguese, Romanian
    "Réponse automatique", "Réponse automatisée", "Message d'absence", "Absence du bureau", "Absent du bureau", "Absente du bureau",
    "Message automatique d'absence", "Notification d'absence", "Avis d'absence", "Hors du bureau", "Je suis absent du bureau",
    "Risposta automatica", "Risponditore automatico", "Fuori sede", "Fuori ufficio", "Assente dall'ufficio", "Messaggio di assenza",
    "Respuesta automática", "Respuesta automatizada", "Contestación automática", "Autorespuesta", "Auto respuesta", "Fuera de la oficina",
    "Fuera de oficina", "Mensaje automático", "Aviso de ausencia", "Resposta automàtica", "Fora de l'oficina", "Resposta automática",
    "Fora do escritório", "Ausente do escritório", "Aviso de ausência", "Mensagem de ausência", "Auto-resposta", "Răspuns automat",
    "În afara biroului", "Plecat din birou",
    # Swedish, Danish, Norwegian, Icelandic, Finnish, Estonian, Latvian, Lithuanian
    "Automatiskt svar", "Autosvar", "Automatsvar", "Frånvaromeddelande", "Frånvarobesked", "Ej på kontoret", "Inte på kontoret",
    "Automatisk svar", "Autosvar", "Fraværsmeddelelse", "Fraværsbesked", "Ikke på kontoret", "Ikke til stede", "Ude af kontoret",
    "Fraværsmelding", "Fraværsassistent", "Sjálfvirkt svar", "Automaattinen vastaus", "Automaattivastaus", "Poissaoloilmoitus",
    "Poissaoloviesti", "Poissa toimistosta", "En ole toimistolla", "Automaatvastus", "Automaatne vastus", "Kontorist väljas",
    "Automātiskā atbilde", "Automātiska atbilde", "Ārpus biroja", "Automatinis atsakymas", "Ne biure",
    # Polish, Czech, Slovak, Hungarian, Slovenian, Croatian and Serbian, Bulgarian, Greek, Albanian
    "Automatyczna odpowiedź", "Odpowiedź automatyczna", "Autoodpowiedź", "Autoresponder", "Poza biurem", "Nieobecny w biurze",
    "Nieobecność w biurze", "Informacja o nieobecności", "Automatická odpověď", "Automatická odpoveď", "Mimo kancelář",
    "Nepřítomnost v kanceláři", "Mimo kancelárie", "Mimo kanceláriu", "Automatikus válasz", "Automata válasz", "Házon kívül",
    "Irodán kívül", "Samodejni odgovor", "Odsoten iz pisarne", "Automatski odgovor", "Izvan ureda", "Van kancelarije", "Аутоматски одговор",
    "Автоматичен отговор", "Извън офиса", "Αυτόματη απάντηση", "Εκτός γραφείου", "Απουσία από το γραφείο", "Përgjigje automatike",
    # Russian, Ukrainian, Belarusian, Kazakh
    "Автоматический ответ", "Автоответ", "Авто-ответ", "Автоответчик", "Автоматическое уведомление об отсутствии", "Вне офиса",
    "Нет на рабочем месте", "Отсутствую на рабочем месте", "Уведомление об отсутствии", "Автоматична відповідь", "Автовідповідь",
    "Автовідповідач", "Поза офісом", "Немає на робочому місці", "Аўтаматычны адказ", "Автоматты жауап",
    # Turkish, Azerbaijani, Kurdish, Uzbek
    "Otomatik yanıt", "Otomatik cevap", "Otomatik yanıtlama", "Otomatik yanıtlayıcı", "Ofis dışında", "Ofis dışındayım",
    "Ofiste değilim", "İş yeri dışında", "Avtomatik cavab", "Ofisdən kənarda", "Ofisdə deyiləm", "Bersiva otomatîk", "Bersiva xweber",
    "Bersiva xwerû", "Li derveyî ofîsê", "وەڵامی خۆکار", "وەڵامی ئۆتۆماتیکی", "لە دەرەوەی نووسینگە", "Avtomatik javob",
    # Persian, Arabic, Urdu, Pashto, Hebrew
    "پاسخ خودکار", "پاسخ اتوماتیک", "پاسخگوی خودکار", "پاسخ‌گوی خودکار", "پاسخ‌دهی خودکار", "جواب خودکار", "پیام خودکار عدم حضور",
    "پیام عدم حضور", "اعلام عدم حضور", "خارج از دفتر", "خارج از اداره", "خارج از محل کار", "در محل کار نیستم", "در مرخصی هستم",
    "رد تلقائي", "الرد التلقائي", "رد آلي", "الرد الآلي", "إجابة تلقائية", "خارج المكتب", "خارج مكتبي", "لست في المكتب",
    "خودکار جواب", "خود کار جواب", "خودکار جوابی پیغام", "دفتر سے باہر", "اتومات ځواب", "תשובה אוטומטית", "מענה אוטומטי",
    "הודעה אוטומטית", "מחוץ למשרד", "לא נמצא במשרד", "לא במשרד",
    # Chinese, Japanese, Korean, Vietnamese, Thai, Indonesian, Hindi
    "自动答复", "自动回复", "自動答覆", "自動回覆", "自動回復", "外出自动回复", "不在办公室", "不在辦公室", "休假自动回复", "自動応答", "自動返信",
    "自動回答", "不在通知", "不在連絡", "不在のお知らせ", "外出中", "자동 회신", "자동회신", "자동 응답", "자동응답", "자동 답장", "부재중", "부재 중",
    "부재중 알림", "Trả lời tự động", "Thư trả lời tự động", "ตอบกลับอัตโนมัติ", "การตอบกลับอัตโนมัติ", "Balasan otomatis",
    "Jawaban otomatis", "Di luar kantor", "Jawapan automatik", "स्वचालित उत्तर",
)  # fmt: skip
# Words that citizens use for their own matters: the teacher's absence, a clerk's leave.
_AWAY_IN_ANSWERS: Final = _plain(
    "I am away", "I'm away", "I am on leave", "I'm on leave", "I am on vacation", "I'm on vacation", "I am on holiday", "I'm on holiday",
    "Ich bin im Urlaub", "Ich bin außer Haus", "Ich bin abwesend", "Je suis absent", "Je suis absente", "Je suis en congé", "Je suis en vacances",
    "Estoy de vacaciones", "Estou de férias", "Sono in ferie", "Jestem na urlopie", "Ik ben met vakantie", "Jag är på semester",
    "من در مرخصی هستم", "بنده در مرخصی هستم", "أنا في إجازة",
    "Away", "On leave", "On vacation", "On holiday", "Annual leave", "Absent", "Absence", "Abwesenheit", "Abwesend", "Urlaub", "Im Urlaub",
    "Afwezig", "Afwezigheid", "Vakantie", "Absence de bureau", "Congés", "En congé", "En vacances", "Ausencia", "Ausente", "De vacaciones",
    "Ausência", "De férias", "Assenza", "Assente", "In ferie", "Frånvaro", "Frånvarande", "Semester", "Fravær", "Fraværende", "Ferie",
    "Poissa", "Poissaolo", "Lomalla", "Nieobecność", "Urlop", "Nepřítomnost", "Dovolená", "Neprítomnosť", "Szabadság", "Concediu",
    "Отсутствие", "В отпуске", "Я в отпуске", "Отпуск", "У відпустці", "Відпустка", "İzindeyim", "İzinli", "İzin", "Məzuniyyət",
    "Di karûbarê de", "عدم حضور", "در مرخصی", "مرخصی", "غیبت", "في إجازة", "إجازة", "چھٹی پر", "בחופשה", "חופשה", "不在", "外出", "休假",
    "休暇", "휴가", "休假中",
)  # fmt: skip
# AOL: "Re: lamp (Automatic Response)".
_BEHIND: Final = re.compile(r"[\[(]([^\[\]()]{3,40})[\])]$")
# Lotus Notes: "AUTO: Rezaei, Ali is out of the office (returning 05/01/2010)".
_NOTES: Final = re.compile(r"auto(?:matic)?:\s")
_NOTES_WORDS: Final = _plain(
    "out of the office", "out of office", "is away", "nicht im Büro", "außer Haus", "abwesend", "absent", "fuera de la oficina",
    "fuori sede", "fuori ufficio", "ausente", "afwezig", "poissa", "не на месте", "在外出", "不在", "خارج از دفتر", "مرخصی",
)  # fmt: skip

_READ: Final = _plain(
    "Read receipt", "Return receipt", "Return Receipt (displayed)", "Disposition notification", "Message disposition notification",
    "Lesebestätigung", "Empfangsbestätigung (angezeigt)", "Confirmation de lecture", "Accusé de lecture", "Leesbevestiging",
    "Confirmación de lectura", "Acuse de lectura", "Conferma di lettura", "Ricevuta di lettura", "Confirmação de leitura",
    "Recibo de leitura", "Läskvitto", "Kvittering for læsning", "Lesebekreftelse", "Lukukuittaus", "Potwierdzenie przeczytania",
    "Potvrzení o přečtení", "Olvasási visszaigazolás", "Confirmare de citire", "Уведомление о прочтении", "Отчет о прочтении",
    "Повідомлення про прочитання", "Okundu bilgisi", "Okundu alındısı", "رسید خواندن", "اعلان خوانده شدن", "إيصال القراءة", "אישור קריאה",
    "已读回执", "讀取回條", "開封確認", "開封通知", "수신 확인", "읽음 확인",
)  # fmt: skip
_READ_IN_ANSWERS: Final = _plain(
    "Read", "Not read", "Displayed", "Return receipt", "Gelesen", "Ungelesen gelöscht", "Lu", "Non lu", "Gelezen", "Leído", "No leído",
    "Letto", "Lida", "Lido", "Läst", "Læst", "Lest", "Luettu", "Przeczytane", "Przeczytano", "Přečteno", "Prečítané", "Elolvasva", "Citit",
    "Прочитано", "Прочтено", "Okundu", "خوانده شد", "خوانده‌شده", "مقروءة", "تمت القراءة", "נקרא", "已读", "已讀", "既読", "開封済み", "읽음",
)  # fmt: skip

_FAILED: Final = _plain(
    "Undelivered", "Undeliverable", "Undeliverable mail", "Mail delivery failed", "Mail delivery failure", "Mail delivery problem",
    "Mail delivery error", "Mail delivery status", "Delivery status notification", "Delivery status", "Delivery failure", "Delivery failed",
    "Delivery has failed", "Delivery error", "Delivery notification", "Delivery report", "Delivery problem", "Failure notice",
    "Failure delivery", "Failed delivery", "Failed mail", "Returned mail", "Returned email", "Returned e-mail", "Returned message",
    "Mail returned", "Message returned", "Mail system error", "Mail failure", "Mail failed", "Mail error", "Mail could not be delivered",
    "Mail not delivered", "Mail undeliverable", "Message not delivered", "Message could not be delivered", "Message undeliverable",
    "Message delivery", "Message status", "Message rejected", "Nondeliverable", "Non-deliverable", "Non deliverable", "Nondelivery",
    "Non-delivery", "Non delivery", "Email delivery failure", "E-mail delivery failure", "Your message was not delivered",
    "Your message could not be delivered", "Your mail could not be delivered", "could not be delivered", "couldn't be delivered",
    "was not delivered", "wasn't delivered", "not be delivered", "returning message to sender", "returning to sender", "unable to deliver",
    "cannot deliver", "Rejected mail", "Bounced mail", "User unknown",
    "Unzustellbar", "Zustellung fehlgeschlagen", "nicht zugestellt", "Zustellungsfehler", "Fehler bei der Zustellung", "Zustellfehler",
    "Onbestelbaar", "niet bezorgd", "Bezorging mislukt", "niet worden bezorgd", "niet worden afgeleverd", "Non remis", "non distribué",
    "non délivré", "Échec de remise", "Échec de la remise", "Échec de livraison", "Échec d'envoi", "No se puede entregar",
    "No se pudo entregar", "No se ha podido entregar", "no entregado", "no entregable", "Error de entrega", "Fallo en la entrega",
    "Correo devuelto", "Non recapitabile", "Mancato recapito", "Impossibile recapitare", "Mancata consegna", "Errore di consegna",
    "non consegnato", "Não foi possível entregar", "Não é possível entregar", "não entregue", "Falha na entrega", "Kunde inte levereras",
    "kan inte levereras", "Det går inte att leverera", "Olevererat", "kunne ikke leveres", "kan ikke leveres", "ikke leveret", "ikke levert",
    "Toimittaminen epäonnistui", "ei voitu toimittaa", "Toimittamaton", "Niedostarczone", "Nie dostarczono", "nie można dostarczyć",
    "nie mogła zostać dostarczona", "Nedoručitelné", "Nedoručeno", "nelze doručit", "Nedoručiteľné", "Nedoručené", "Kézbesíthetetlen",
    "nem kézbesíthető", "Sikertelen kézbesítés", "Nelivrat", "nu a putut fi livrat", "Imposibil de livrat", "Недоставленное",
    "не доставлено", "не удается доставить", "не удалось доставить", "Ошибка доставки", "Недоставлено", "не вдалося доставити",
    "Неможливо доставити", "Недоставлене", "Teslim edilemedi", "teslim edilemeyen", "İletilemedi", "Gönderilemedi", "Çatdırılmadı",
    "Çatdırıla bilmədi", "Nehat gihandin", "Μη παραδοτέο", "Αδυναμία παράδοσης", "δεν παραδόθηκε", "Недоставимо", "Не е доставено",
    "تحویل نشد", "عدم تحویل", "غیر قابل تحویل", "تحویل ناموفق", "نامه برگشتی", "نامهٔ برگشتی", "ایمیل برگشتی", "برگشت نامه", "ارسال ناموفق",
    "تعذر التسليم", "تعذر تسليم", "فشل التسليم", "لم يتم التسليم", "غير قابل للتسليم", "ناقابل ترسیل", "گەیاندن سەرکەوتوو نەبوو",
    "לא ניתן למסור", "לא נמסרה", "לא נמסר", "מסירה נכשלה", "无法投递", "无法送达", "未送达", "未能送达", "退信", "无法传递", "投递失败", "無法傳遞", "無法送達",
    "未送達", "郵件退回", "配信不能", "配信できません", "配信エラー", "配達不能", "送信できませんでした", "未配信", "メールエラー", "エラー通知", "不達",
    "배달되지 않", "배달 실패", "전송 실패", "배달할 수 없", "반송", "Không gửi được", "Tidak terkirim", "gagal dikirim",
)  # fmt: skip
_DELAYED: Final = _plain(
    "(Delay)", "Delivery delayed", "delayed 24 hours", "has been delayed", "Delayed mail", "Mail delayed", "Message delayed",
    "Warning: could not send", "not yet been delivered", "Mail delivery warning", "Warning: message", "still being retried",
    "this is a warning message only", "you do not need to resend", "will be retried", "will continue to try", "delivery attempts will continue",
    "Zustellung verzögert", "verzögert sich", "Remise différée", "Retardé", "Vertraagd", "Entrega demorada", "Entrega retrasada",
    "Entrega atrasada", "Recapito ritardato", "Försenad", "Forsinket", "Viivästynyt", "Opóźnione", "Zpožděno", "Késleltetve", "Задержка",
    "задерживается", "Затримка", "Gecikti", "gecikmeli", "تأخیر در تحویل", "با تأخیر", "تأخر التسليم", "延迟", "延遲", "配信遅延", "遅延", "지연",
)  # fmt: skip
# Providers' feedback reports that are no multipart/report.
_COMPLAINED: Final = re.compile(
    r"complaint about message from [\d.:a-fx]+$|(?:email )?(?:feedback|abuse) report(?: for ip [\d.:a-f]+)?$"
)


def subject_of(text: str) -> str:
    """A raw Subject field as the functions below need it."""
    return plain(clean_line(decode_words(text[:_LONGEST])))


def says_away(subject: str, *, answers: bool) -> tuple[bool, bool]:
    """(whether it begins as an absence note, whether after a reply prefix); `answers`: it refers to a mail."""
    found = _begins(subject, _AWAY)
    if found is None and (notes := _NOTES.match(subject)) is not None:
        found = 0 if any(words in subject[notes.end() :] for words in _NOTES_WORDS) else None
    if found is None and (behind := _BEHIND.search(subject)) is not None and behind[1] in _AWAY:
        found = 0
    if found is None and answers and _begins(subject, _AWAY_IN_ANSWERS) == 0:
        found = 0
    return found is not None, bool(found)


def says_read(subject: str, *, answers: bool) -> bool:
    """Whether it is a read receipt's; `answers`: it refers to a mail."""
    return _begins(subject, _READ) == 0 or (answers and _begins(subject, _READ_IN_ANSWERS) == 0)


def says_complained(subject: str) -> bool:
    """Whether it is the subject of a provider's report about unwanted mail."""
    return _COMPLAINED.match(subject) is not None


def says_failed(subject: str, *, at_start: bool = False) -> bool:
    """Whether it tells of a mail that was not delivered; `at_start`: with its first words."""
    return _holds(subject, _FAILED, at_start=at_start)


def says_delayed(text: str, *, at_start: bool = False) -> bool:
    """Whether a subject or a text (see `plain`) reports a mail that is still being tried."""
    return _holds(text, _DELAYED, at_start=at_start)


def is_passed_on(subject: str) -> bool:
    """Whether it begins with the prefix of an answer or a forwarded mail."""
    return _PASSED_ON.match(_MARKS.sub("", subject, count=1) if subject[:1] in "[*(" else subject) is not None


def _holds(subject: str, phrases: tuple[str, ...], *, at_start: bool) -> bool:
    if not at_start:
        return any(words in subject for words in phrases)
    start = subject.lstrip("[(*#<\"' ").removeprefix("postmaster] ").removeprefix("warning: ")
    return any(start.startswith(words) for words in phrases)


def _begins(subject: str, phrases: tuple[str, ...]) -> int | None:
    """How many reply prefixes precede one of the phrases; None if none begins there."""
    answers = 0
    for _ in range(_MOST_BEFORE):
        if subject.startswith(phrases) and any(
            subject.startswith(words) and _AFTER.match(subject, len(words)) is not None for words in phrases
        ):
            return answers
        answer = _ANSWER.match(subject)
        before = answer or _MARKS.match(subject)
        if before is None:
            return None
        if answer is None and before[0].startswith("["):  # the word may stand in the brackets: "[Auto reply] lamp"
            inner = subject[1:]
            if any(inner.startswith(words) and _AFTER.match(inner, len(words)) is not None for words in phrases):
                return answers
        answers += answer is not None
        subject = subject[before.end() :]
    return None
