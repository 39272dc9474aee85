"""What mail programs write around a quotation, by language, and sentences of people that look like it.

`ATTRIBUTIONS`: the line above quoted lines. `BLOCKS`: the header lines of a mail. `SENTENCES`: each names a day or an hour
and somebody who wrote, told or said something, and belongs to the writer.
"""

from __future__ import annotations

from typing import Final

ATTRIBUTIONS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "On Mon, 3 Mar 2025 at 10:15, Desk <info@zrm.example> wrote:",
        "On 3 Mar 2025, at 10:15, Desk <info@zrm.example> wrote:",
        "On Mar 3, 2025, at 10:15 AM, Desk via Portal <info@zrm.example> wrote:",
        "On 3/3/25 10:15, Desk wrote:",
        "On 2025-03-03 10:15, Desk wrote:",
        "On Monday, March 3, 2025 at 10:15:00 AM GMT+3:30, Desk <info@zrm.example> wrote:",
        "On 3 March 2025 10:15:00 GMT+03:30, Desk <info@zrm.example> wrote:",
        'At 2025-03-03 10:15:00, "Desk" <info@zrm.example> wrote:',
        "---- On Mon, 03 Mar 2025 10:15:00 +0330 Desk <info@zrm.example> wrote ----",
        "Monday, March 3, 2025 10:15 AM +03:30 from Desk <info@zrm.example>:",
        "On Mon, Mar 3, 2025 at 10:15 AM Office of the Mayor and Council <\ninfo@zrm.example> wrote:",
        "On Mon, 3 Mar 2025 at 10:15, The Unit for Roads, Lamps and Bridges\n<info@zrm.example>\nwrote:",
    ),
    "fa": (
        "در تاریخ دوشنبه ۳ مارس ۲۰۲۵،\u200f ۱۰:۱۵ Desk <info@zrm.example> نوشت:",
        "دوشنبه ۱۳ اسفند ۱۴۰۳، ۱۰:۱۵ Desk <info@zrm.example> نوشت:",
        "در تاریخ ۱۳ اسفند ۱۴۰۳، ساعت ۱۰:۱۵، مرکز پاسخ‌گویی <info@zrm.example> نوشته است:",
        "در تاریخ ۱۴۰۳-۱۲-۱۳ ۱۰:۱۵، مرکز پاسخ‌گویی نوشت:",
        "مرکز پاسخ‌گویی <info@zrm.example> در ۱۳ اسفند ۱۴۰۳ ساعت ۱۰:۱۵ نوشت:",
        "\u202bدر دوشنبه ۱۳ اسفند ۱۴۰۳ ساعت ۱۰:۱۵، مرکز پاسخ‌گویی <info@zrm.example> نوشت:\u202c",
        "سه‌شنبه ۱۴ اسفند ۱۴۰۳ ۱۰:۱۵ ق.ظ، \u202a<info@zrm.example>\u202c نوشت:",
        "در تاريخ 1403/12/13 10:15 , مركز پاسخگويي <info@zrm.example> نوشت:",
    ),
    "ar": (
        "في الاثنين، 3 مارس 2025 في 10:15 ص تمت كتابة ما يلي بواسطة Desk <info@zrm.example>:",
        "في ٣ مارس ٢٠٢٥، الساعة ١٠:١٥، كتب Desk <info@zrm.example>:",
        "بتاريخ 3 مارس 2025 10:15، كتب Desk <info@zrm.example>:",
    ),
    "de": (
        "Am Mo., 3. März 2025 um 10:15 Uhr schrieb Desk <info@zrm.example>:",
        "Am 03.03.2025 um 10:15 schrieb Desk <info@zrm.example>:",
        "Am 03.03.25 um 10:15 schrieb Desk:",
        "Desk <info@zrm.example> schrieb am Mo., 3. März 2025, 10:15:",
    ),
    "fr": (
        "Le lun. 3 mars 2025 à 10:15, Desk <info@zrm.example> a écrit :",
        "Le 3 mars 2025 à 10:15, Desk <info@zrm.example> a écrit :",
        "Le 03/03/2025 à 10:15, Desk a écrit :",
    ),
    "nl": (
        "Op ma 3 mrt 2025 om 10:15 schreef Desk <info@zrm.example>:",
        "Op 3 mrt 2025, om 10:15 heeft Desk <info@zrm.example> het volgende geschreven:",
        "Op 03-03-2025 om 10:15 schreef Desk:",
    ),
    "es": (
        "El lun, 3 mar 2025 a las 10:15, Desk (<info@zrm.example>) escribió:",
        "El 3 mar 2025, a las 10:15, Desk <info@zrm.example> escribió:",
        "El 3/3/25 a las 10:15, Desk escribió:",
    ),
    "it": (
        "Il giorno lun 3 mar 2025 alle ore 10:15 Desk <info@zrm.example> ha scritto:",
        "Il giorno 3 mar 2025, alle ore 10:15, Desk <info@zrm.example> ha scritto:",
        "Il 03/03/2025 10:15, Desk ha scritto:",
    ),
    "pt": (
        "Em seg., 3 de mar. de 2025 às 10:15, Desk <info@zrm.example> escreveu:",
        "No dia 3 de mar. de 2025, às 10:15, Desk <info@zrm.example> escreveu:",
        "Desk <info@zrm.example> escreveu (segunda, 3/03/2025 à(s) 10:15):",
    ),
    "pl": (
        "pon., 3 mar 2025 o 10:15 Desk <info@zrm.example> napisał(a):",
        "W dniu 3.03.2025 o 10:15, Desk pisze:",
        "Dnia 3 marca 2025 10:15 Desk <info@zrm.example> napisał(a):",
        "Wiadomość napisana przez Desk <info@zrm.example> w dniu 3 mar 2025, o godz. 10:15:",
    ),
    "ru": (
        "пн, 3 мар. 2025 г. в 10:15, Desk <info@zrm.example>:",
        "3 марта 2025 г., в 10:15, Desk <info@zrm.example> написал(а):",
        "03.03.2025 10:15, Desk пишет:",
        "Понедельник, 3 марта 2025, 10:15 +03:00 от Desk <info@zrm.example>:",
        '03.03.2025, 10:15, "Desk" <info@zrm.example>:',
    ),
    "uk": (
        "пн, 3 бер. 2025 р. о 10:15 Desk <info@zrm.example> пише:",
        "3 бер. 2025 р. о 10:15 Desk <info@zrm.example> написав(ла):",
        "03.03.25 10:15, Desk пише:",
    ),
    "tr": (
        "Desk <info@zrm.example>, 3 Mar 2025 Pzt, 10:15 tarihinde şunu yazdı:",
        "Desk <info@zrm.example> şunları yazdı (3 Mar 2025 10:15):",
        "3.03.2025 10:15 tarihinde Desk yazdı:",
    ),
    "zh": (
        "Desk <info@zrm.example> 于2025年3月3日周一 10:15写道：",
        "在 2025年3月3日，10:15，Desk <info@zrm.example> 写道：",
        '在 2025-03-03 10:15:00，"Desk" <info@zrm.example> 写道：',
        "於 2025/3/3 上午 10:15, Desk 寫道:",
    ),
    "ja": (
        "2025年3月3日(月) 10:15 Desk <info@zrm.example>:",
        "2025/03/03 10:15、Desk <info@zrm.example>のメール:",
        "On 2025/03/03 10:15, Desk wrote:",
    ),
    "ko": (
        "2025년 3월 3일 (월) 오전 10:15, Desk <info@zrm.example>님이 작성:",
        "2025. 3. 3. 오전 10:15, Desk <info@zrm.example> 작성:",
        "2025-03-03 10:15에 Desk 이(가) 작성한 글:",
    ),
    "sv": (
        "Den mån 3 mars 2025 kl 10:15 skrev Desk <info@zrm.example>:",
        "3 mars 2025 kl. 10:15 skrev Desk <info@zrm.example>:",
        "Den 2025-03-03 kl. 10:15, skrev Desk:",
    ),
    "da": (
        "Den man. 3. mar. 2025 kl. 10.15 skrev Desk <info@zrm.example>:",
        "Den 3. mar. 2025 kl. 10.15 skrev Desk <info@zrm.example>:",
        "Den 03.03.2025 kl. 10.15 skrev Desk:",
    ),
    "no": (
        "man. 3. mars 2025 kl. 10:15 skrev Desk <info@zrm.example>:",
        "3. mars 2025 kl. 10:15 skrev Desk <info@zrm.example>:",
        "Den 03.03.2025 10:15, skrev Desk:",
        "to. 6. mars 2025 kl. 10:15 skrev Desk <info@zrm.example\n>:",
    ),
    "fi": (
        "ma 3. maalisk. 2025 klo 10.15 Desk (info@zrm.example) kirjoitti:",
        "Desk <info@zrm.example> kirjoitti 3.3.2025 kello 10.15:",
        "Desk kirjoitti 3.3.2025 klo 10.15:",
        "to 6. maalisk. 2025 klo 10.15 Desk (info@zrm.example) kirjoitti:",
    ),
    "cs": (
        "po 3. 3. 2025 v 10:15 odesílatel Desk <info@zrm.example> napsal:",
        "3. 3. 2025 v 10:15, Desk <info@zrm.example>:",
        "Dne 03. 03. 25 v 10:15 Desk napsal(a):",
    ),
    "he": (
        "\u202bבתאריך יום ב׳, 3 במרץ 2025 ב-10:15 מאת \u202aDesk\u202c\u200f <\u202ainfo@zrm.example\u202c\u200f>:\u202c",
        "ב-3 במרץ 2025, בשעה 10:15, Desk <info@zrm.example> כתב:",
        "בתאריך 03/03/2025 10:15, Desk כתב:",
    ),
    "ur": (
        "پیر، 3 مارچ، 2025 کو 10:15 AM پر Desk <info@zrm.example> نے لکھا:",
        "3 مارچ، 2025 کو 10:15 پر Desk <info@zrm.example> نے لکھا:",
        "03/03/2025 10:15 پر Desk نے لکھا:",
    ),
    "az": (
        "Desk <info@zrm.example>, 3 Mar 2025 B.e., 10:15 tarixində yazdı:",
        "3 mart 2025, 10:15 tarixində Desk <info@zrm.example> yazdı:",
        "03.03.2025 10:15 tarixində Desk yazdı:",
    ),
    "ku": (
        "Di 3 Adar 2025 de, 10:15, Desk <info@zrm.example> nivîsand:",
        "Desk <info@zrm.example> di 03.03.2025 10:15 de wiha nivîsand:",
        "لە ٣ی ئازاری ٢٠٢٥، ١٠:١٥، Desk <info@zrm.example> نووسیویەتی:",
    ),
    "others": (  # no word of these is known here
        "Vào 10:15 3 tháng 3, 2025, Desk <info@zrm.example> đã viết:",
        '2025.03.03. 10:15 keltezéssel, "Desk" <info@zrm.example> írta:',
        "Στις Δευ 3 Μαρ 2025 στις 10:15, Desk <info@zrm.example> έγραψε:",
        "Pada Sen, 3 Mar 2025 pukul 10.15 Desk <info@zrm.example> menulis:",
        "เมื่อ จ. 3 มี.ค. 2025 เวลา 10:15 Desk <info@zrm.example> เขียนว่า:",
        "3 марта 2025 ш. 10:15 Desk <info@zrm.example>:",
    ),
}

BLOCKS: Final[dict[str, tuple[str, ...]]] = {
    "en": ("From: {desk}\nSent: Monday, March 3, 2025 10:15 AM\nTo: Citizen\nSubject: Re: my request",),
    "fa": (
        "از: {desk}\nارسال شده: دوشنبه ۱۳ اسفند ۱۴۰۳ ۱۰:۱۵\nبه: شهروند\nموضوع: پاسخ: درخواست",
        "فرستنده: {desk}\nتاریخ ارسال: ۱۴۰۳/۱۲/۱۳ ۱۰:۱۵\nگیرنده: شهروند\nموضوع: درخواست",
        "از: {desk}\nتاریخ: 3 مارس 2025 10:15\nبه: شهروند\nرونوشت: دفتر\nموضوع: درخواست",
    ),
    "ar": ("من: {desk}\nتم الإرسال: الاثنين 3 مارس 2025 10:15\nإلى: المواطن\nالموضوع: رد: طلب",),
    "de": ("Von: {desk}\nGesendet: Montag, 3. März 2025 10:15\nAn: Bürger\nBetreff: AW: Antrag",),
    "fr": ("De : {desk}\nEnvoyé : lundi 3 mars 2025 10:15\nÀ : Citoyen\nObjet : RE: demande",),
    "nl": ("Van: {desk}\nVerzonden: maandag 3 maart 2025 10:15\nAan: Burger\nOnderwerp: RE: verzoek",),
    "es": ("De: {desk}\nEnviado el: lunes, 3 de marzo de 2025 10:15\nPara: Ciudadano\nAsunto: RE: solicitud",),
    "it": ("Da: {desk}\nInviato: lunedì 3 marzo 2025 10:15\nA: Cittadino\nOggetto: R: richiesta",),
    "pt": ("De: {desk}\nEnviada em: segunda-feira, 3 de março de 2025 10:15\nPara: Cidadão\nAssunto: RES: pedido",),
    "pl": ("Od: {desk}\nWysłano: poniedziałek, 3 marca 2025 10:15\nDo: Obywatel\nTemat: ODP: wniosek",),
    "ru": ("От: {desk}\nОтправлено: 3 марта 2025 г. 10:15\nКому: Гражданин\nТема: RE: заявка",),
    "uk": ("Від: {desk}\nНадіслано: 3 березня 2025 р. 10:15\nКому: Громадянин\nТема: RE: заява",),
    "tr": ("Kimden: {desk}\nGönderildi: 3 Mart 2025 Pazartesi 10:15\nKime: Yurttaş\nKonu: YNT: talep",),
    "zh": (
        "发件人: {desk}\n发送时间: 2025年3月3日 10:15\n收件人: 市民\n主题: 答复: 请求",
        "寄件者： {desk}\n寄件日期： 2025年3月3日 上午 10:15\n收件者： 市民\n主旨： RE: 請求",
    ),
    "ja": ("差出人: {desk}\n送信日時: 2025年3月3日 10:15\n宛先: 市民\n件名: RE: お願い",),
    "ko": ("보낸 사람: {desk}\n보낸 날짜: 2025년 3월 3일 월요일 오전 10:15\n받는 사람: 시민\n제목: RE: 요청",),
    "sv": ("Från: {desk}\nSkickat: den 3 mars 2025 10:15\nTill: Medborgare\nÄmne: SV: ärende",),
    "da": ("Fra: {desk}\nSendt: 3. marts 2025 10:15\nTil: Borger\nEmne: SV: sag",),
    "no": ("Fra: {desk}\nSendt: mandag 3. mars 2025 10:15\nTil: Borger\nEmne: SV: sak",),
    "fi": (
        "Lähettäjä: {desk}\nLähetetty: maanantai 3. maaliskuuta 2025 10.15\nVastaanottaja: Kansalainen\nAihe: VS: asia",
    ),
    "cs": ("Od: {desk}\nOdesláno: pondělí 3. března 2025 10:15\nKomu: Občan\nPředmět: RE: žádost",),
    "he": ("מאת: {desk}\nנשלח: יום שני 3 מרץ 2025 10:15\nאל: אזרח\nנושא: RE: בקשה",),
    "ur": ("منجانب: {desk}\nبھیجا گیا: پیر 3 مارچ 2025 10:15\nبنام: شہری\nموضوع: جواب: درخواست",),
    "az": ("Kimdən: {desk}\nGöndərilib: 3 mart 2025 10:15\nKimə: Vətəndaş\nMövzu: Cav: müraciət",),
    "ku": ("Ji: {desk}\nDîrok: 3 Adar 2025 10:15\nBo: Welatî\nMijar: RE: daxwaz",),
    "others": (  # no word of these is known here
        "Daarvandaan: {desk}\nVerstuurdag: Maandag 3 Maart 2025 10:15\nDaarheen: Burger\nWaaroor: versoek",
        "Mittente di lei: {desk}\nQuando: 3/3/2025 10:15\nChi: Cittadino\nDi che: domanda",
    ),
}

SENTENCES: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "On 12 March at 10:30 your inspector wrote:",
        "On 12 March 2025 at 10:30 I wrote to Desk <info@zrm.example> and got this answer:",
        "At 10:30 on 12 March 2025 we sent the form to info@zrm.example:",
        "On Monday, 3 March 2025 at 10:15, the inspector who came said and wrote:",
    ),
    "fa": (
        "در تاریخ ۱۲ اسفند ساعت ۱۰:۳۰ کارشناس شما نوشت:",
        "در تاریخ ۱۲ اسفند ۱۴۰۳ ساعت ۱۰:۳۰ به نشانی info@zrm.example نوشتم:",
        "روز دوشنبه ۱۲ اسفند ۱۴۰۳ ساعت ۱۰:۳۰ مأمور آمد و روی کاغذ نوشت:",
    ),
    "ar": (
        "في 12 مارس 2025 الساعة 10:30 كتب موظفكم:",
        "في 12 مارس 2025 الساعة 10:30 كتبت إلى info@zrm.example رسالة وهذا هو الجواب:",
    ),
    "de": (
        "Am 12. März um 10:30 Uhr schrieb Ihr Prüfer:",
        "Am 12.03.2025 um 10:30 schrieb ich an info@zrm.example:",
    ),
    "fr": (
        "Le 12 mars à 10h30 votre inspecteur a écrit :",
        "Le 12 mars 2025 à 10:30 je vous ai écrit à info@zrm.example :",
    ),
    "nl": ("Op 12 maart om 10:30 schreef uw inspecteur:", "Op 12 maart 2025 om 10:30 schreef ik aan info@zrm.example:"),
    "es": (
        "El 12 de marzo a las 10:30 su inspector escribió:",
        "El 12 de marzo de 2025 a las 10:30 yo escribí a info@zrm.example:",
    ),
    "it": (
        "Il 12 marzo alle 10:30 il vostro ispettore ha scritto:",
        "Il 12 marzo 2025 alle 10:30 ho scritto a voi, info@zrm.example:",
    ),
    "pt": (
        "Em 12 de março às 10:30 o seu inspetor escreveu:",
        "Em 12 de março de 2025 às 10:30 a minha mulher escreveu a info@zrm.example:",
    ),
    "pl": (
        "12 marca o 10:30 pani inspektor napisała:",
        "12 marca 2025 o 10:30 napisałem, że info@zrm.example nie działa:",
    ),
    "ru": ("12 марта в 10:30 ваш инспектор написал:", "12 марта 2025 г. в 10:30 я написал на info@zrm.example:"),
    "uk": ("12 березня о 10:30 ваш інспектор написав:", "12 березня 2025 р. о 10:30 ми написали на info@zrm.example:"),
    "tr": (
        "12 Mart saat 10:30'da sizin müfettişiniz yazdı:",
        "12 Mart 2025 10:30'da bize info@zrm.example adresinden yazdı:",
    ),
    "zh": ("3月12日10:30，你们的检查员写道：",),
    "ja": ("3月12日10:30に検査員はこう書きました:",),
    "ko": ("3월 12일 10:30에 귀하의 검사관이 이렇게 작성:",),
    "sv": (
        "Den 12 mars kl 10:30 skrev er inspektör till mig:",
        "Den 12 mars 2025 kl 10:30 skrev jag till info@zrm.example:",
    ),
    "da": (
        "Den 12. marts kl. 10.30 skrev jeres inspektør:",
        "Den 12. marts 2025 kl. 10.30 skrev jeg til info@zrm.example:",
    ),
    "no": ("12. mars kl. 10:30 skrev inspektøren til meg:", "12. mars 2025 kl. 10:30 skrev jeg til info@zrm.example:"),
    "fi": ("12. maaliskuuta klo 10.30 teidän tarkastajanne kirjoitti:",),
    "cs": ("12. března v 10:30 váš kontrolor napsal:",),
    "he": ("ב-12 במרץ בשעה 10:30 המפקח שלכם כתב:",),
    "ur": ("12 مارچ کو 10:30 پر آپ کے انسپکٹر نے لکھا:",),
    "az": ("12 mart saat 10:30-da sizin müfəttişiniz yazdı:",),
    "ku": ("Di 12ê Adarê de saet 10:30 kontrolorê we nivîsand:",),
}
