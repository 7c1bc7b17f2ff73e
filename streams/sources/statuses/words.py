"""Words by which shops name status columns, and the meaning of statuses; letters alone, without accents.

Some words mean different things in different systems: `closed` is refunded to Magento and archived to
Shopify, `on hold` is unpaid to WooCommerce and held back to others. Such a word is in none of the lists.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


STATUSES: Final = frozenset(
    _words(
        """
    status orderstatus statusoforder financialstatus paymentstatus orderfinancialstatus
    displayfinancialstatus orderpaymentstatus transactionstatus invoicestatus salestatus salesstatus
    salesorderstatus receiptstatus purchasestatus orderstate paymentstate transactionstate currentstatus
    currentstate statusname orderstatusname statuscode orderstatuscode itemstatus orderitemstatus
    linestatus lineitemstatus lineitemstate chargestatus orderstatuslabel statuslabel bestellstatus
    auftragsstatus auftragstatus zahlungsstatus bestellungsstatus rechnungsstatus belegstatus
    statutdelacommande statutcommande etatdelacommande etatcommande statutdupaiement statutpaiement
    etatdupaiement statutdepaiement estadodelpedido estadopedido estadodopedido estadodepago
    estadodelpago estadodopagamento statusdopedido statuspedido statusdopagamento statuspagamento
    situacaodopedido statodellordine statoordine statodelpagamento betaalstatus bestelstatus
    statuszamowienia
    """
    )
)
"""Columns of statuses, whatever their values are."""

UNCERTAIN: Final = frozenset(
    _words(
        """
    state etat statut estado situacao situacion stato stan zustand result outcome
    """
    )
)
"""Columns that may hold a status or another thing (`state` may be Ohio). Their values decide."""

FLAGS: Final = frozenset(
    _words(
        """
    cancelled canceled iscancelled iscanceled ordercancelled ordercanceled cancelflag cancelledflag
    canceledflag cancellation iscancellation voided void isvoid isvoided voidflag refunded isrefunded
    isrefund isdeleted deleted istest testorder test istestorder isdraft draft isfailed failed isexpired
    storno storniert iststorniert stornoflag stornokennzeichen annule annulee estannule cancelado cancelada
    anulado anulada estornado annullato geannuleerd chargeback ischargeback
    """
    )
)
"""Columns of yes and no, where yes means no sale; some hold the moment of the event in place of yes."""

NO_FLAGS: Final = frozenset(
    _words(
        """
    ispaid iscompleted iscomplete isvalid issuccessful issuccess isconfirmed
    """
    )
)
"""Columns of yes and no, where no means no sale."""

MOMENTS: Final = frozenset(
    _words(
        """
    cancelledat canceledat cancelledon canceledon cancelleddate canceleddate canceldate cancellationdate
    cancellationtime cancelledtime canceledtime cancelat voidedat voidedon voiddate deletedat deletedon
    expiredat failedat datecancelled datecanceled stornodatum storniertam stornierungsdatum
    datedannulation dateannulation annulele fechadecancelacion fechacancelacion fechadeanulacion
    datadecancelamento datacancelamento canceladoem datadiannullamento cancelledtimestamp
    canceledtimestamp refundedinfullat
    """
    )
)
"""Columns of a moment that only orders have which are no sale."""

UNCERTAIN_FLAGS: Final = frozenset(
    _words(
        """
        paid completed complete valid confirmed success successful bezahlt paye payee pagado pago pagato
        """
    )
)
"""Columns that may hold yes and no, where no means no sale, or an amount. Their values decide."""

REASONS: Final = frozenset(
    _words(
        """
    cancelreason cancellationreason cancelledreason canceledreason voidreason stornogrund
    motifdannulation motivodecancelacion motivodocancelamento declinereason failurereason
    """
    )
)
"""Columns of a reason that only orders have which are no sale."""

AMOUNTS: Final = frozenset(
    _words(
        """
    refundedamount refundamount amountrefunded totalrefunded refundtotal totalrefundedamount
    orderrefundamount totalrefund erstattungsbetrag erstatteterbetrag montantrembourse importereembolsado
    valorreembolsado
    """
    )
)
"""Columns of the amount that an order's customer got back."""

YES: Final = frozenset(
    _words(
        """
    true t yes y x j ja wahr oui vrai si sim s v
    """
    )
)
NOT: Final = frozenset(
    _words(
        """
    false f no n nein falsch non faux nao null none never
    """
    )
)
SUBJECTS: Final = _words(
    """
    payment order transaction sale checkout zahlung bestellung auftrag paiement commande pago pedido
    pagamento ordine
    """
)
"""Words before a status that add nothing to its meaning."""

PARTLY: Final = _words(
    """
    part teil parci parzial gedeeltelijk
    """
)
"""Beginnings of words which mean that a status holds for a part of the order."""

DELIVERY: Final = _words(
    """
    fulfil shipping shipment delivery liefer versand livraison entrega envio
    """
)
"""Parts of the names of columns about the progress of a delivery."""

BACK: Final = _words(
    """
    refund erstatt rembours return retour reembols rimbors
    """
)
"""Words for goods or money that a customer gave or got back."""

LEADING: Final = frozenset(
    _words(
        """
    cancelled canceled voided storniert annule annulee cancelado cancelada anulado anulada annullato
    annullata geannuleerd declined chargeback draft returned rejected
    """
    )
)
"""Statuses that remain no sale whatever follows them, as in `Cancelled by customer`."""

NO_SALE: Final = frozenset(
    (
        # Cancelled or taken back by the shop.
        *_words(
            """
            cancelled canceled cancel cancels cancellation iscancelled cancelledbycustomer
            cancelledbyuser canceledbyuser autocancelled autocanceled storniert storno stornierung annule
            annulee annulation cancelado cancelada cancelamento anulado anulada annullato annullata
            cancellato geannuleerd anulowane anulowano trash trashed deleted geloscht void voided
            reversed reversal canceledreversal
            """
        ),
        # Paid back as a whole, or returned.
        *_words(
            """
            refunded refund fullyrefunded fullrefund refundedinfull refundedfully erstattet ruckerstattet
            vollerstattet rembourse remboursee reembolsado reembolsada rimborsato rimborsata terugbetaald
            estornado estornada returned returnedtosender fullyreturned zuruckgesendet retoure
            retourniert retourne retournee devuelto devuelta devolvido devolvida chargeback chargedback
            chargebacklost rucklastschrift
            """
        ),
        # Never went through.
        *_words(
            """
            failed fail failure error fehlgeschlagen fehler echoue echouee echec fallido fallida falhou
            fallito mislukt declined denied rejected abgelehnt refuse refusee rechazado rechazada
            recusado recusada rifiutato geweigerd unavailable fraud fraudulent suspectedfraud expired
            abgelaufen expire expiree expirado expirada vencido scaduto verlopen abandoned
            abandonedcheckout timeout timedout incomplete lapsed invalid notcompleted unsuccessful
            """
        ),
        # Not a sale yet, or meant as none.
        *_words(
            """
            draft checkoutdraft entwurf brouillon borrador rascunho bozza concept quote quotation angebot
            devis presupuesto orcamento test testorder pending pendingpayment paymentpending
            awaitingpayment awaitingcheckpayment awaitingbankwirepayment awaitingbankwire
            waitingforpayment unpaid notpaid requirespayment requirespaymentmethod requiresaction
            ausstehend unbezahlt zahlungausstehend enattente enattentedepaiement nonpaye pendiente
            pendientedepago impagado pendente aguardandopagamento naopago inattesa inattesadipagamento
            openstaand nietbetaald
            """
        ),
    )
)
"""Statuses that mean no sale, or none yet."""

SALE: Final = frozenset(
    _words(
        """
    completed complete completedorder paid partiallypaid partlypaid fullypaid paidinfull authorized
    authorised captured settled succeeded success successful accepted approved confirmed processing
    processed inprocess inprogress preparing picking packed readytoship readyforpickup readyforcollection
    shipped partiallyshipped partlyshipped dispatched sent intransit outfordelivery delivered
    partiallydelivered fulfilled partiallyfulfilled unfulfilled partial invoiced billed collected
    pickedup sold sale done finished closedwon posted awaitingshipment awaitingfulfillment
    awaitingfulfilment awaitingpickup awaitingcollection backordered onbackorder onbackorderpaid
    paymentaccepted paymentreceived remotepaymentaccepted paymentremotelyaccepted partiallyrefunded
    partlyrefunded partialrefund partialrefunded partrefunded refundedpartially partiallyreturned
    partlyreturned partialreturn teilerstattet teilweiseerstattet partiellementrembourse
    partiellementremboursee parcialmentereembolsado bezahlt abgeschlossen versendet versandt verschickt
    geliefert zugestellt erledigt inbearbeitung fertig bestatigt genehmigt vollstandig paye payee
    terminee termine expediee expedie livree livre accepte acceptee confirmee encoursdepreparation
    encours valide validee pagado pagada completado completada enviado enviada entregado entregada
    procesando enproceso aprobado aprobada aceptado pago paga concluido concluida entregue aprovado
    aprovada processando faturado pagato pagata completato completata spedito consegnato inlavorazione
    betaald voltooid verzonden afgerond geleverd zrealizowane oplacone wyslane
    """
    )
)
"""Statuses that mean a sale."""
