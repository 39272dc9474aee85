"""The words of the lines that programs add below a mail, by meaning; compared after `fold`."""

from __future__ import annotations

from typing import Final

from zrm.normalizer.quoted_text.vocabulary import folded_phrases, folded_words

# Telephones, computers and mail programs.
DEVICES: Final = folded_phrases(
    """
    iphone|iphonu|iphonie|ipad|ipod|android|ios|ipados|windows|macbook|imac|galaxy|samsung|huawei|honor|xiaomi|redmi|poco|oppo|vivo
    realme|oneplus|nokia|xperia|sony|htc|motorola|lenovo|zenfone|asus|pixel|tecno|infinix|zte|alcatel|wiko|fairphone
    blackberry|lumia|outlook|gmail|yahoo|thunderbird|spark|protonmail|proton|tutanota|typeapp|bluemail|aquamail
    sparrow|mailbird|mymail|k-9|k9|fairemail|acompli|airmail|zoho|gmx|web.de|t-online|mail.ru|mail.com|yandex|icloud
    hotmail|roundcube|horde|zimbra|chmail|smartphone|handy|mobiltelefon|telefoon|handphone|celular|teléfono|telefono
    móvil|movil|mobile|phone|tablet|cellphone|device|komórki|telefonu|telefon|telefonum|telefonumdan|tabletim
    гаджета|смартфона|телефона|айфона|мобильного|смартфону|телефону|mobil|puhelimesta|puhelimella|mobilu|מהנייד
    הנייד|האייפון|手机|手機|华为手机|華為手機|小米手机|荣耀手机|三星手机|苹果手机|蘋果手機|携帯|휴대폰|스마트폰|ایفون|آیفون|ایپد|آیپد|اندروید|گوشی|موبایل|تبلت|سامسونگ|هواوی|شیائومی|گلکسی|هاتفي|تلفن همراه|تلفن هوشمند
    هاتف|جوال|جوالي|الايفون|الآيفون|ايفون|آيفون|أندرويد|جيميل|موبائل|فون|mobîla
    """
)
# All that may stand beside one: what was done, with what, whose it is.
SENDING: Final = folded_words(
    """
    sent from my via with on for using by the a an app apps mail email e-mail get download secure new version
    wireless tmobile t-mobile verizon vodafone at&t sprint orange lte 3g 4g 5g mini pro max plus ultra note gesendet
    versendet verschickt von vom meinem meiner mit der dem für fuer holen sie sich postfach unterwegs kostenlosen
    envoyé envoyée de depuis à partir mon ma du d l obtenez télécharger pour avec un appareil verzonden verstuurd
    vanaf vanuit mijn met voor enviado enviada desde mi el la meu minha do da com para obtener obtenha inviato
    inviata dal dalla mio con il scarica ottieni wysłane wysłano z mojego mojej dla za pomocą pobierz aplikacji
    отправлено отправлена с из моего мобильной мобильного почты почта приложения для устройства надіслано
    відправлено з із мого мобільного пошти gönderildi gönderilmiştir ile üzerinden için edinin benim göndərildi
    mənim göndərilib skickat skickades från min mitt hämta för sendt fra med hent til lähetetty minun hanki
    laitteesta odesláno odoslané ze mého môjho získejte aplikace נשלח נשלחה מה מ שלי באמצעות מן הורד את עבור מכשיר
    发自 發自 我的 来自 來自 从 發送 发送 自 获取 から 送信 送信されました の 나의 내 에서 보냄 에서보냄 발송 ارسال ارسالی شده فرستاده از با توسط من تلفن همراه
    هوشمند دستگاه است ایمیل یاهو برنامه نسخه دریافت برای أرسلت مرسل مرسلة أرسل تم الإرسال إرسالها خلال بواسطة الـ جهاز
    جهازي الخاص بي ال لـ احصل على میرے سے بھیجا گیا ji hat şandin ve
    """
)
# Of these, one must be there: what was done.
SENT: Final = folded_words(
    """
    sent get gesendet versendet holen envoyé envoyée obtenez verzonden verstuurd enviado enviada obtener obtenha
    inviato inviata wysłane wysłano pobierz отправлено отправлена надіслано відправлено gönderildi gönderilmiştir
    edinin göndərildi göndərilib skickat skickades hämta sendt hent lähetetty hanki odesláno odoslané נשלח נשלחה
    ارسال ارسالی فرستاده أرسلت مرسل مرسلة أرسل الإرسال إرسالها بھیجا şandin 发自 發自 来自 來自 发送 發送 获取 送信 送信されました 보냄 발송
    """
)
# The same where words are not separated by spaces.
SENDING_INSIDE: Final = folded_phrases(
    """
    发自我的|發自我的|来自我的|來自我的|从我的|從我的|から送信|에서 보냄|에서 발송|나의|내
    """
)
# A scanner's line begins so, followed at most by its name.
SCANNED: Final = folded_phrases(
    """
    virus-free|virus free|virenfrei|sans virus|garanti sans virus|libre de virus|sin virus|privo di virus
    livre de vírus|sem vírus|virusvrij|virus-vrij|wolny od wirusów|без вирусов|без вірусів|virüs bulunmuyor|virüssüz
    virusfri|bez virů|virukseton|无病毒|ウイルス フリー|바이러스 없음|ללא וירוסים|عاری از ویروس|بدون ویروس|خالية من الفيروسات
    no virus found|no viruses found|checked by|scanned by|protected by|checked for viruses by|scanned for viruses by
    email scanned by|e-mail scanned by|message scanned by|проверено|перевірено
    """
)
SCANNERS: Final = folded_words(
    """
    avast avg mailscanner kaspersky bitdefender eset nod32 norton mcafee sophos clamav barracuda messagelabs
    symantec mimecast avira antivirus com by trend micro von de par di da door przez w www message this in email e
    mail outgoing incoming release date free edition version
    """
)
# The scanners' names among these.
PRODUCTS: Final = folded_words(
    """
    avast avg mailscanner kaspersky bitdefender eset nod32 norton mcafee sophos clamav barracuda messagelabs
    symantec mimecast avira
    """
)
# The beginning of a sentence about the mail itself.
THIS_MAIL: Final = folded_phrases(
    """
    this e-mail|this email|this message|this mail|diese e-mail|diese nachricht|cet e-mail|cet email|ce courrier
    ce message|este correo|este mensaje|este e-mail|este email|esta mensagem|questa e-mail|questa email
    questo messaggio|deze e-mail|dit bericht|ta wiadomość|это сообщение|это письмо|данное сообщение|це повідомлення
    цей лист|bu e-posta|bu ileti|bu mesaj|tento e-mail|tato zpráva|detta e-postmeddelande|detta meddelande
    denne e-mail|denne meddelelse|denne e-posten|tämä viesti|tämä sähköposti|本邮件|此邮件|このメール|이 메일|본 메일|הודעה זו
    דוא"ל זה|این ایمیل|این پیام|این رایانامه|این نامه الکترونیکی|محتویات این|اطلاعات این|هذه الرسالة|هذا البريد
    تحتوي هذه الرسالة|bu məktub|یہ ای میل|یہ پیغام
    """
)
# Parts of words.
VIRUS: Final = folded_phrases(
    """
    virus|viren|wirus|вирус|вірус|virüs|virů|viruks|病毒|ウイルス|바이러스|וירוס|ویروس|فيروس|وائرس
    """
)
CHECKED: Final = folded_phrases(
    """
    checked|scanned|geprüft|überprüft|gescannt|analys|vérifi|analizad|controllat|verificad|gecontroleerd|sprawdz
    провер|перевір|taran|kontrol|genomsök|scannet|tarkist|检查|扫描|スキャン|チェック|검사|נבדק|נסרק|بررسی|اسکن|فحص|yoxlan|جانچ
    """
)
# A legal notice begins so.
NOTICE: Final = folded_phrases(
    """
    confidentiality notice|confidentiality|disclaimer|important notice|legal notice|privacy notice|notice:
    this communication|the information contained in|the information in this|the contents of this
    vertraulichkeitshinweis|hinweis:|der inhalt dieser|die information in|avis de confidentialité
    les informations contenues|aviso de confidencialidad|aviso legal|la información contenida|avviso di riservatezza
    le informazioni contenute|aviso de confidencialidade|as informações contidas|klauzula poufności|treść tej
    informação confidencial|gizlilik|yasal uyarı|konfidentiellt|fortrolighed|upozornění|免责声明|保密声明|سلب مسئولیت
    هشدار محرمانگی|تذکر:|اطلاعیه محرمانگی|إخلاء مسؤولية|إشعار السرية|vertrouwelijk|de informatie in
    """
)
# Parts of words.
CONFIDENTIAL: Final = folded_phrases(
    """
    confidential|vertraulich|confidentiel|vertrouwelijk|confidencial|riservat|confidenzial|poufn|конфиденциальн
    конфіденційн|gizli|məxfi|důvěrn|dôvern|konfidentiell|fortrolig|luottamuksel|机密|保密|機密|기밀|סודי|חסוי|محرمانه|سري
    privileged|خفیہ
    """
)
ADDRESSEE: Final = folded_phrases(
    """
    recipient|addressee|attachments are|empfänger|destinataire|geadresseerde|ontvanger|destinatari|destinatár
    adresat|адресат|получател|отримувач|alıcı|příjemc|adresát|mottagar|modtager|mottaker|vastaanottaj|收件人|接收|受信者|宛先
    수신|נמען|گیرنده|مخاطب|دریافت کننده|المرسل إليه|للمرسل إليه|المستلم|للمستلم|وصول کنندہ
    """
)
# A notice about a mail never says this.
FIRST_PERSON: Final = folded_words(
    """
    i my me mine ich mein meine mir mich je mon ma ik mijn yo mi io mio mia eu meu minha ja mój moja я мой моя мне
    ben benim bana jag mitt jeg mit minä minun já můj من مرا خودم أنا لي میں میرے مجھے אני שלי
    """
)
# Words of sentences (`OF_SENTENCES`) that notices have too.
OF_NOTICES: Final = folded_words(
    """
    this is was not that to dass que non het na این است که هذه هذا
    """
)
