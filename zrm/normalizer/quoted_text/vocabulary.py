"""The words mail programs write around a quotation, by meaning. All are compared after `fold`.

They narrow what the shape of a line already shows: no word alone folds anything. A language that is missing here is
still recognised by the shape of its lines.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from zrm.kit.text import fold


class Field(Enum):
    """What a line of a quoted mail's header says."""

    WRITER = auto()
    DATE = auto()
    RECIPIENT = auto()
    COPY = auto()
    SUBJECT = auto()
    OTHER = auto()


def folded_phrases(text: str) -> tuple[str, ...]:
    """The folded phrases of a text, separated by `|` and line ends."""
    return tuple(dict.fromkeys(phrase for part in text.replace("\n", "|").split("|") if (phrase := fold(part))))


def folded_words(text: str) -> frozenset[str]:
    """The folded words of a text, separated by white space."""
    return frozenset(map(fold, text.split()))


# "wrote", where a program names the writer.
WROTE: Final = folded_phrases(
    """
    wrote|writes|sent|said|wrote on
    schrieb|schrieben|geschrieben|hat geschrieben
    a écrit|écrit|a écrit le
    schreef|geschreven|heeft het volgende geschreven|het volgende geschreven
    escribió|escribio|ha escrito
    ha scritto|scrisse
    escreveu|escreveram
    napisał|napisała|napisał a|pisze|wiadomość napisana przez
    написал|написала|написал а|пишет|писал|писала
    пише|написав|написала|пишуть
    yazdı|şunu yazdı|şunları yazdı|tarihinde şunu yazdı|tarihinde şunları yazdı|tarihinde yazdı
    tarixində yazdı|yazdı|yazıb
    skrev|skrev følgende|skrev så här
    kirjoitti
    napsal|napsala|napsal a|napísal|napísala|napísal a
    írta|ezt írta|a scris|έγραψε|написа|je napisao|je napisala|napisao je|napisala je|napisao|napisala|жазды|yozdi|rašė|parašė|kirjutas|đã viết|menulis
    nivîsand|nivîsî|wiha nivîsand|نووسیویەتی|نووسی|نوسیویەتی
    نوشت|نوشته|نوشته است|نوشتند|نوشته بود|مرقوم فرمود|مرقوم
    كتب|كتبت|كتابة|كتابه|تمت كتابة ما يلي بواسطة|أرسل|ارسل
    نے لکھا|لکھا|تحریر کیا
    כתב|כתבה|כתב ה|כתבו|מאת
    """
)
# The same where words are not separated by spaces.
WROTE_INSIDE: Final = folded_phrases(
    "写道|寫道|写到|写了|来信|のメール|さんは書きました|さんのメッセージ|書きました|작성|님이 작성|썼습니다|님이 쓴 글|เขียน"
)

# Words of sentences that never stand in a program's line. Weekdays, names and connecting words that look like one of
# left out, whatever the language: "mon" is Monday, "ben" is Ben, "eu" is an office.
OF_SENTENCES: Final = frozenset(
    folded_phrases(
        """
        i|we|you|he|she|they|my|our|your|yours|me|us|him|to|that|which|who|is|was|not|but|because|when|this|as|if|after|since
        before|until|while|although|according|here|there|what|where|how|see|please|dear|hello|thanks|told
        ich|wir|ihr|ihre|ihrem|ihren|ihrer|mein|meine|meiner|unser|unsere|unserer|mir|mich|uns|dass|nicht|aber|wie|weil|nachdem
        laut|gemäß|bitte|siehe|hier|je|nous|vous|votre|vos|notre|nos|que|qui|elle|pas|comme|selon|après|depuis|voici
        ik|wij|uw|mijn|onze|aan|dat|niet|mij|zoals|volgens|yo|usted|ustedes|su|sus|nosotros|nuestro|nuestra|según|después|aquí
        noi|voi|vostro|vostra|nostro|suo|che|non|secondo|dopo|ecco|nós|você|vocês|seu|sua|meu|minha|nosso|não|lhe|conforme|depois
        pani|państwa|mój|moja|nasz|że|nie|jak|według|oto|я|мы|вы|ваш|ваша|ваше|ваши|мой|моя|наш|мне|нам|что|не|к|как|который
        которую|согласно|после|вот|ми|ви|мій|мені|що|як|згідно|biz|siz|sizin|bizim|bana|bize|değil|için|gibi|göre|sonra|mən
        mənim|mənə|kimi|jag|vår|inte|till|er|som|jeg|deres|jeres|vores|ikke|til|minä|teidän|minun|meidän|että|kuten|já|váš|vaše
        můj|náš|není|podle|من|ما|شما|او|ایشان|برای|به|که|این|آن|نیست|است|را|ولی|اما|ام|خود|طبق|مطابق|چنان|مانند|وقتی|چون|سلام
        لطفا|أنا|نحن|أنتم|إلى|أن|هذا|هذه|التي|الذي|لنا|لم|لا|إن|كما|حسب|عندما|میں|ہم|آپ|میرے|ہمارے|مجھے|کہ|نہیں|یہ
        אני|אנחנו|אתם|שלי|שלנו|שלכם|כי|לא|אל|לי|hûn|ئێمە|ئێوە|کە
        """
    )
)
# Weekdays where they begin the line: Thursday and Sunday in Finnish.
WEEKDAYS_FIRST: Final = frozenset({"to", "su"})
# The same where words are not separated by spaces, or stand at a word's end ("your", in Arabic).
OF_SENTENCES_INSIDE: Final = folded_phrases(
    "你们|你們|您的|贵方|我们|我們|我的|私|貴社|あなた|こう|귀하|저는|제가|우리|이렇게|당신|의 답변은"
)
YOUR_ENDINGS: Final = folded_phrases("كم")

LABELS: Final[dict[str, Field]] = {
    label: field
    for field, labels in (
        (
            Field.WRITER,
            """
            From|Von|Absender|De|Expéditeur|Van|Afzender|Da|Mittente|Remitente|Remetente|Od|Nadawca|Odesílatel|Odosielateľ
            От|От кого|Отправитель|Від|Від кого|Відправник|Kimden|Gönderen|Kimdən|Göndərən|Från|Avsändare|Fra|Lähettäjä
            发件人|寄件者|寄件人|發件人|差出人|送信者|보낸 사람|보낸사람|발신인|Feladó|Από|Expeditor|De la|Dari|Từ|จาก|מאת|از|از طرف
            فرستنده|ارسال کننده|من|المرسل|منجانب|از جانب|بھیجنے والا|Ji|Şander|لە|لەلایەن|نێردەر
            """,
        ),
        (
            Field.DATE,
            """
            Sent|Date|Sent at|Gesendet|Gesendet am|Datum|Envoyé|Envoyé le|Date d'envoi|Verzonden|Verzonden op|Fecha|Enviado
            Enviado el|Enviado em|Enviada em|Enviada|Data|Data de envio|Inviato|Inviata|Wysłano|Wysłane|Data wysłania
            Отправлено|Дата|Дата отправки|Надіслано|Відправлено|Gönderildi|Gönderme Tarihi|Gönderilme Tarihi|Tarih
            Göndərilib|Göndərildi|Tarix|Skickat|Skickade|Sendt|Dato|Lähetetty|Päivämäärä|Päiväys|Odesláno|Odoslané|Dátum
            发送时间|发送日期|日期|时间|寄件日期|傳送時間|送信日時|日時|日付|보낸 날짜|보낸날짜|날짜|Elküldve|Στάλθηκε|Ημερομηνία|Trimis|Dikirim|Tanggal
            Đã gửi|Ngày|ส่ง|נשלח|תאריך|נשלח ב|تاریخ|ارسال شده|فرستاده شده|زمان ارسال|تاریخ ارسال|ارسال|زمان
            التاريخ|تم الإرسال|تاريخ الإرسال|أرسلت|بھیجا گیا|بھیجنے کی تاریخ|Dîrok|Şandin|Hat şandin|ڕێکەوت|بەروار|نێردرا
            """,
        ),
        (
            Field.RECIPIENT,
            """
            To|An|Empfänger|À|A|Destinataire|Aan|Para|Destinatario|Per|Do|Komu|Adresat|Кому|Получатель|Отримувач|Kime|Alıcı
            Kimə|Alan|Till|Til|Vastaanottaja|Saaja|Pro|收件人|收件者|宛先|받는 사람|받는사람|수신인|Címzett|Προς|Către|Kepada|Đến|ถึง|אל|ל
            به|گیرنده|دریافت کننده|إلى|المستلم|بنام|بخدمت|Bo|Ji bo|بۆ|وەرگر
            """,
        ),
        (
            Field.COPY,
            """
            Cc|Bcc|Kopie|Copie|Copie à|Kopia|DW|Do wiadomości|Копия|Копія|Bilgi|Surət|Kopi|Kopio|抄送|副本|同報|참조|Másolat|Κοιν
            Κοινοποίηση|עותק|رونوشت|نسخة|نسخه|کاپی|Kopî|کۆپی
            """,
        ),
        (
            Field.SUBJECT,
            """
            Subject|Betreff|Objet|Sujet|Onderwerp|Asunto|Oggetto|Assunto|Temat|Тема|Konu|Mövzu|Ämne|Emne|Aihe|Otsikko|Předmět
            Predmet|主题|主旨|主題|件名|제목|Tárgy|Θέμα|Subiect|Perihal|Chủ đề|เรื่อง|נושא|موضوع|عنوان|الموضوع|Mijar|Babet|بابەت
            """,
        ),
        (
            Field.OTHER,
            """
            Reply-To|Importance|Priority|Sensitivity|Attachments|Organization|Message du|Message-ID|Wichtigkeit|Anlagen|Antwort an
            Importance haute|Pièces jointes|Importancia|Adjuntos|Важность|Вложения|Ważność|Załączniki|Önem|پیوست|پیوست ها|اهمیت
            """,
        ),
    )
    for label in folded_phrases(labels)
}

# Between dashes above a quotation.
ORIGINAL_MESSAGE: Final = frozenset(
    folded_phrases(
        """
        Original Message|Original Appointment|Original email|Reply Message|Previous message
        Ursprüngliche Nachricht|Originalnachricht|Original-Nachricht|Antwort Nachricht|Ursprünglicher Termin
        Message d'origine|Message original|Message initial|Oorspronkelijk bericht|Origineel bericht
        Mensaje original|Messaggio originale|Mensagem original|Wiadomość oryginalna|Oryginalna wiadomość
        Исходное сообщение|Оригинальное сообщение|Исходное письмо|Пересылаемое исходное сообщение
        Оригінальне повідомлення|Початкове повідомлення|Original ileti|Orijinal Mesaj|Özgün İleti|İlk ileti
        Orijinal məktub|Orijinal mesaj|İlkin mesaj|Ursprungligt meddelande|Originalmeddelande
        Oprindelig meddelelse|Oprindelig besked|Opprinnelig melding|Original melding|Alkuperäinen viesti
        Původní zpráva|Původní e-mail|Pôvodná správa|Eredeti üzenet|Αρχικό μήνυμα|Mesaj original
        原始邮件|原始郵件|原邮件|原始信息|元のメッセージ|元のメール|원본 메시지|원본 메일|ההודעה המקורית|הודעה מקורית
        پیام اصلی|پیغام اصلی|متن اصلی پیام|ایمیل اصلی|نامه اصلی|الرسالة الأصلية|رسالة أصلية|النص الأصلي
        اصل پیغام|اصلی پیغام|Peyama orîjînal|Peyama eslî|پەیامی سەرەکی
        """
    )
)
# The line begins so above a forwarded mail.
FORWARDED_MESSAGE: Final = folded_phrases(
    """
    Forwarded message|Begin forwarded message|Forwarded by|Start of forwarded message|Forwarded mail
    Weitergeleitete Nachricht|Anfang der weitergeleiteten|Weitergeleitet von
    Message transféré|Message transmis|Début du message transféré|Début du message réexpédié|Message réexpédié
    Doorgestuurd bericht|Begin doorgestuurd bericht|Mensaje reenviado|Inicio del mensaje reenviado|Mensaje enviado de nuevo
    Messaggio inoltrato|Inizio messaggio inoltrato|Mensagem encaminhada|Mensagem reencaminhada|Início da mensagem reencaminhada
    Início da mensagem encaminhada|Wiadomość przekazana|Przekazana wiadomość|Początek przekazywanej wiadomości
    Пересылаемое сообщение|Пересланное сообщение|Перенаправленное сообщение|Начало переадресованного сообщения
    Начало пересылаемого сообщения|Конец пересылаемого сообщения|Переслане повідомлення|Пересилання повідомлення
    İletilmiş ileti|İletilen ileti|İletilmiş Mesaj|İletilen mesaj|Yönlendirilmiş mesaj|İleti başlangıcı|Yönləndirilmiş məktub
    Yönləndirilmiş mesaj|Vidarebefordrat meddelande|Vidarebefordrat brev|Videresendt meddelelse|Videresendt besked
    Videresendt melding|Start på videresendt besked|Välitetty viesti|Edelleenlähetetty viesti|Přeposlaná zpráva
    Začátek přeposlané zprávy|Preposlaná správa|Továbbított üzenet|Προωθημένο μήνυμα|Mesaj redirecționat
    转发的邮件|转发邮件|轉寄郵件|轉寄的郵件|转发邮件信息|転送メッセージ|転送されたメール|전달된 메일|전달된 메시지|הודעה שהועברה|הודעה מועברת
    پیام ارسال شده|پیام ارسالی|پیام هدایت شده|پیام بازارسال شده|پیام ارجاع شده|ایمیل هدایت شده|پیام فوروارد شده|شروع پیام
    رسالة معاد توجيهها|الرسالة المعاد توجيهها|رسالة مُعاد|رسالة محولة|بداية الرسالة المعاد
    آگے بھیجا گیا پیغام|فارورڈ کردہ پیغام|Peyama hatî şandin|پەیامی نێردراو
    """
)

# Before the subject. The outermost one decides.
REPLY_PREFIXES: Final = frozenset(
    folded_phrases(
        """
        Re|Aw|Antw|Antwort|Rép|Réf|R|Rif|Res|Resp|Odp|Отв|Ответ|На|Відп|Відповідь|Ynt|Yanıt|Cvp|Cav|Cavab|Sv|Svar|Vá|Απ|Σχετ
        Odpověď|回复|回覆|答复|答覆|返信|답장|회신|RE회신|Bls|Tl|Trả lời|השב|תגובה|پاسخ|پ|جواب|رد|الرد|Bersiv|وەڵام
        """
    )
)
FORWARD_PREFIXES: Final = frozenset(
    folded_phrases(
        """
        Fw|Fwd|Wg|Weitergeleitet|Tr|Transf|Transfert|Rv|Reenv|Renv|Enc|I|Inoltra|Doorst|Pd|Przekaz|Перес|Пересл|Пересылка|İlt|İleti
        Yön|Yönlendirilen|Vb|Vs|Vid|Videresendt|Vl|Edelleenlähetys|Předat|Přep|Továbbítás|Tov|Πρθ|转发|轉寄|轉發|転送|전달|Trs|Ct
        הועבר|העברה|ارجاع|هدایت|بازارسال|ارسال مجدد|فوروارد|إعادة توجيه|تحويل|محول|فارورڈ|Şandin
        """
    )
)

# The writer says that answers stand below or inside the quotation.
ANSWERS_BELOW: Final = folded_phrases(
    """
    answers below|answer below|answered below|reply below|replies below|my comments below|comments below|responses below
    response below|answers inline|replied inline|comments inline|reply inline|see inline|inline below|in red|in blue|in bold
    antworten unten|antwort unten|siehe unten im text|antworten im text|meine antworten in|in rot|mes réponses ci-dessous
    réponse ci-dessous|réponses ci-dessous|réponses en rouge|dans le texte ci-dessous|antwoorden hieronder|antwoord hieronder
    respuestas abajo|respuesta abajo|respondo abajo|risposte sotto|risposta sotto|rispondo sotto|respostas abaixo|resposta abaixo
    odpowiedzi poniżej|odpowiedź poniżej|ответы ниже|ответ ниже|відповіді нижче|відповідь нижче|cevaplar aşağıda|cevabım aşağıda
    yanıtlar aşağıda|cavablar aşağıda|svar nedan|mina svar nedan|svar nedenfor|svarer nedenfor|vastaukset alla|vastaus alla
    odpovědi níže|odpověď níže|回复如下|答复如下|見下|以下に回答|답변은 아래|아래에 답변|תשובות למטה|ראה למטה
    پاسخ در زیر|پاسخ ها در زیر|پاسخها در زیر|پاسخ در پایین|پاسخ ها در پایین|پاسخ من در زیر|جواب در زیر|جواب ها در زیر
    جواب در پایین|پاسخ ها در متن|پاسخ ها را در متن|پاسخ در متن|در متن پاسخ داده|با رنگ قرمز|به رنگ قرمز|زیر هر سوال
    الإجابة أدناه|الاجابات ادناه|الرد أدناه|ردودي أدناه|باللون الأحمر|جوابات نیچے|جواب نیچے
    """
)
